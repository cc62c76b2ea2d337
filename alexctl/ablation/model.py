"""An ablation is one controlled comparison: a base, its arms, what varies, a measure. It is data; no code runs from it."""

import itertools
import math
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, model_validator
from pydantic_core import PydanticKnownError

from alexctl.ablation.knobs import Target, TrainingKnobs
from alexctl.ablation.measures import MEASURES, Measure, named
from alexctl.ablation.own_net import is_own
from alexctl.ablation.setting import Setting, resolve
from alexctl.ablation.toml import quoted
from alexctl.errors import UserError, nearest
from alexctl.statistics.looks import planned

SEARCH_SEED = 10_000
"""Learning rates are searched on seeds from here on, which are never reported (reported ones are 0, 1, 2, ...)."""


MOST_COMBINATIONS = 64


def _distinct(rates: tuple[float, ...]) -> tuple[float, ...]:
    if len(rates) < 2:
        raise ValueError("should name two rates or more")
    if len(set(rates)) < len(rates):
        raise ValueError("should not name a rate twice")
    return rates


def _rising(ends: tuple[float, float]) -> tuple[float, float]:
    if ends[0] >= ends[1]:
        raise ValueError("should be [low, high] with low below high")
    return ends


def _rising_budgets(budgets: tuple[int, ...]) -> tuple[int, ...]:
    if budgets and (len(budgets) < 2 or list(budgets) != sorted(set(budgets))):
        raise ValueError("should name two numbers of epochs or more, rising, such as [15, 60, 120]")
    return budgets


def _tried(search: dict[str, tuple]) -> dict[str, tuple]:
    for key, values in search.items():
        if len(values) < 2 or len(set(map(repr, values))) < len(values):
            raise ValueError(f"{key} should have two values or more to try, each once, not {quoted(values)}")
    if math.prod(map(len, search.values())) > MOST_COMBINATIONS:
        raise ValueError(f"should have {MOST_COMBINATIONS} combinations at most, each of which is a search of its own")
    return search


def _control(given: Any) -> str | dict[str, str]:
    names = given.values() if isinstance(given, dict) and given else [given]
    if all(isinstance(name, str) for name in names):
        return given
    raise ValueError(f'should be an arm, or a table of arms such as {{ relu = "tanh" }}, not {quoted(given)}')


def _sizes(given: Any) -> float | dict[str, float] | None:
    if given is None or _is_number(given):
        return given if given is None else float(given)
    if isinstance(given, dict) and given and all(map(_is_number, given.values())):
        return {str(arm): float(size) for arm, size in given.items()}
    raise ValueError(f"should be a number, or a table of arms such as {{ relu = 6.0 }}, not {quoted(given)}")


def _is_number(given: Any) -> bool:
    return type(given) in (int, float) and -1e100 < given < 1e100


def _measures(names: tuple[str, ...]) -> tuple[str, ...]:
    for name in names:
        if name not in MEASURES:
            found = nearest(name, MEASURES)
            raise ValueError(f"unknown measure '{name}', {found}")
    return names


def _measure(given: Any) -> Measure:
    found = given if isinstance(given, Measure) else named(given)
    if found is None:
        raise PydanticKnownError("literal_error", {"expected": ", ".join(map(repr, MEASURES))})
    return found


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Claim(_Part):
    """What is claimed: where, in which words, how large, measured on which data."""

    section: str = ""  # Of the paper; without it, say the `source`
    paper: Annotated[str, Field(min_length=1)] | None = None  # "He et al. 2016"; None: Krizhevsky et al. 2012
    source: str = "the paper"  # Whose claim it is, such as "a guess of mine"; where `paper` is given, that paper
    says: str  # The claim in words
    # The size: a ratio above 1 for times, percentage points for errors. One number, or one for each arm, such as
    # `{ first = 1.4 }`; the others are then not judged, unless there is a `direction`.
    effect: Annotated[float | dict[str, float] | None, PlainValidator(_sizes)] = None
    # What the size's rounding allows, [low, high].
    effect_range: Annotated[tuple[float, float], AfterValidator(_rising)] | None = None
    # `"positive"`: an arm is better; `"negative"`: worse; `"none"`: nothing differs, so that a difference contradicts it;
    # `"not worse"`: an arm loses no more than the margin. None: the sign of `effect`.
    direction: Literal["positive", "negative", "none", "not worse"] | None = None
    data: str  # What the claim is about
    net: str | None = None  # What the claim is about; None: the net of `[base]`
    epochs: Annotated[int, Field(ge=1)] | None = None  # Of the claim's schedule; None: those of `[base]`
    # The claim is about nets that overfit: the control's error on all training images, at the end, is this or below.
    control_train_error_at_most: Annotated[float, Field(gt=0, lt=1)] | None = None
    landmarks: dict[str, float] = {}  # Epochs of an arm read off the paper's figure, drawn in ours

    @model_validator(mode="after")
    def _its_source_is_its_paper(self) -> "Claim":
        # Not before the checks: what a validator is given then is no JSON any more, in which a tuple is a list.
        if self.paper and "source" not in self.model_fields_set:
            self.__dict__["source"] = self.paper
        return self

    def effect_of(self, arm: str) -> float | None:
        """The size claimed for an arm, in the effect's units; None where the paper gives none."""
        return self.effect.get(arm) if isinstance(self.effect, dict) else self.effect

    def is_about(self, arm: str) -> bool:
        """Whether it says anything of an arm: sizes of some arms, and no direction, say nothing of the others."""
        return not isinstance(self.effect, dict) or arm in self.effect or self.direction is not None

    def __str__(self) -> str:
        of_paper = self.section and (self.paper or self.source.startswith("the paper"))
        where = f"section {self.section}, on {self.data}" if of_paper else f"on {self.data}"
        return f"{self.source[:1].upper()}{self.source[1:]} ({where}): {self.says}"


class Plan(_Part):
    """What `[base]` says of the campaign rather than of a trial; none of it enters a setting's hash."""

    seeds: Annotated[int, Field(ge=1, le=1000)] = 6  # Trials of each arm that are reported, in pairs
    # Instead of `seeds`, such as [4, 6, 10, 16, 24]: judged at each of these numbers of them, until decided.
    looks: Annotated[tuple[int, ...], AfterValidator(planned)] | None = None
    # With `lr = "search"`: the rates that each arm is tried at.
    lr_grid: Annotated[
        tuple[Annotated[float, Field(gt=0, le=1000)], ...], AfterValidator(_distinct)
    ] | None = None  # fmt: skip
    lr_widenings: Annotated[int, Field(ge=0, le=20)] = 6  # How often the grid may grow when a rate on its edge is best
    search_seeds: Annotated[int, Field(ge=1, le=100)] = 3  # Of each rate in the search; they are never reported
    # Share of the training images that a search by errors holds out.
    validation: Annotated[float, Field(gt=0, le=0.5)] = 0.1
    # How often the whole procedure is repeated, each time with seeds of its own.
    studies: Annotated[int, Field(ge=1, le=100)] = 1
    # Such as [15, 60, 120]: the whole procedure at each of these numbers of epochs, its schedule in proportion. It is
    # judged at the last, which is `epochs`. None: only that.
    budgets: Annotated[
        tuple[Annotated[int, Field(ge=1)], ...], AfterValidator(_rising_budgets)
    ] | None = None  # fmt: skip
    # Of each trial. On two a network in two towers runs as two ranks, a tower on each; any other takes the first.
    devices: Literal[1, 2] = 1
    # The table [search]: knobs that each arm tries with every one of these values, beside its learning rate.
    search: Annotated[dict[str, tuple[bool | int | float | str, ...]], AfterValidator(_tried)] = {}

    @property
    def combinations(self) -> tuple[dict[str, Any], ...]:
        """What the search tries beside the learning rate, in the file's order; a single empty one where that is nothing."""
        return tuple(dict(zip(self.search, values, strict=True)) for values in itertools.product(*self.search.values()))


class Ablation(_Part):
    """One file `ablations/NAME.toml`, checked; `plan`, `arms` and `settings()` are what the rest of the house reads."""

    name: str
    title: str  # A few words for tables and figures
    # The arm that all others are compared with; or a table, `[control]`, with a line `arm = "its control"` for each arm
    # that is compared with one of its own.
    control: Annotated[str | dict[str, str], PlainValidator(_control)]
    varies: tuple[str, ...]  # The knobs that arms may change; an arm that changes any other is refused
    # What is compared: a number of each trial, of which less is better.
    measure: Annotated[Measure, PlainValidator(_measure), PlainSerializer(lambda measure: measure.name)]
    # More measures for `trials.csv` and, as each arm's mean, `summary.csv`; nothing is judged by them.
    also: Annotated[tuple[str, ...], AfterValidator(_measures)] = ()
    # `"arms"`: each with its control; `"interaction"`: of two knobs, in four arms; `"trend"`: over a number, in three
    # arms or more.
    compares: Literal["arms", "interaction", "trend"] = "arms"
    # An effect smaller than this does not matter: a factor above 1 for times, percentage points for errors. A claim
    # with a size needs it: at most half of the least that is claimed, for ratios at most 1.25.
    margin: Annotated[float, Field(gt=0)] | None = None
    # What to keep in mind with any verdict, such as that the comparison favours one side; it stands beside each.
    note: str | None = None
    # Epochs that the trials of each arm of a race took where it was tried, such as `{ relu = 4, tanh = 12 }`. Estimates
    # of time go by it until trials are done; without it by all `epochs`.
    usual_epochs: dict[str, Annotated[float, Field(gt=0)]] = {}
    next: str | None = None  # An ablation that asks what this one leaves open; the end of a run gives its command
    claim: Claim
    plan: Plan
    base: dict[str, Any]
    arms: dict[str, dict[str, Any]]
    data_of_file: str
    of_file: dict[str, Any] = {}  # data, net, epochs and num_train of its base, whatever options say
    smoke: bool = False

    @property
    def searched(self) -> tuple[str, ...]:
        """The arms whose learning rate is searched."""
        return tuple(arm for arm, knobs in self.arms.items() if {**self.base, **knobs}["lr"] == "search")

    @property
    def controls(self) -> dict[str, str]:
        """The arms that are held against another, and which: all but the control, or those that name one."""
        if isinstance(self.control, dict):
            return {arm: self.control[arm] for arm in self.arms if arm in self.control}
        return {arm: self.control for arm in self.arms if arm != self.control}

    @property
    def first_control(self) -> str:
        """The control; where arms have their own, that of the first by name, which figures draw as the control."""
        return self.control[min(self.control)] if isinstance(self.control, dict) else self.control

    @property
    def subject(self) -> str:
        """The arm that is looked at more closely, its net and what it makes of images: the first that is no control."""
        return min(self.controls)

    @property
    def target(self) -> Target | None:
        """The target that the base sets; None where there is none, or each arm sets its own."""
        table = self.base.get("target")
        return Target.model_validate(table) if table else None

    @property
    def image_size(self) -> int:
        """The side in pixels that images of a folder are cut to."""
        return self.base.get("image_size", TrainingKnobs.model_fields["image_size"].default)

    def setting(self, arm: str, data_name: str, data_digest: str, *, lr: float | None = None, **changes) -> Setting:
        """The fully resolved setting of one arm; `lr` replaces a searched rate."""
        table = {**self.base, **self.arms[arm], **changes}
        if lr is not None:
            table["lr"] = lr
        training, net, faults = resolve(table)
        if faults:
            raise UserError(*(f"{self.name}, arm {arm}: {fault}" for fault in faults))
        return Setting(training=training, net=net, data_name=data_name, data_digest=data_digest)

    def spelled_out(self) -> "Ablation":
        """The same, with every knob of an arm's own net in the arm: then it can be read where that net's code is not."""
        arms = {}
        for arm, changes in self.arms.items():
            table = {**self.base, **changes}
            own = resolve(table)[1].model_dump(mode="json") if is_own(table["net"]) else {}
            arms[arm] = changes | own
        return self.model_copy(update={"arms": arms})


OLD_NAMES = {"towers": "one-vs-two-gpus"}
"""What files that ship were called before, and what they are called now."""


def current_name(ablation: str) -> str:
    """The name that an ablation has today: its old one still answers."""
    return OLD_NAMES.get(ablation, ablation)


def is_name(text: str) -> bool:
    """Whether files, arms and folders of results may be called so."""
    return len(text) <= 48 and text[:1].isalnum() and text.isascii() and all(c.isalnum() or c in "-_." for c in text)
