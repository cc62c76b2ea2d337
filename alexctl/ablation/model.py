"""An ablation is one controlled comparison: a base, its arms, what varies, a measure. It is data; no code runs from it."""

from collections.abc import Collection
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, PlainValidator, ValidationError
from pydantic_core import PydanticKnownError

from alexctl.ablation.checks import arm_faults, claim_faults, setting_faults
from alexctl.ablation.faults import fault_line, in_toml, unknown_key
from alexctl.ablation.knobs import Target, TrainingKnobs
from alexctl.ablation.measures import MEASURES, Measure, named
from alexctl.ablation.own_net import is_own
from alexctl.ablation.setting import Setting, resolve
from alexctl.errors import UserError, nearest, printable
from alexctl.statistics.looks import planned

SEARCH_SEED = 10_000
"""Learning rates are searched on seeds from here on, which are never reported (reported ones are 0, 1, 2, ...)."""


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


def _sizes(given: Any) -> float | dict[str, float] | None:
    if given is None or _is_number(given):
        return given if given is None else float(given)
    if isinstance(given, dict) and given and all(map(_is_number, given.values())):
        return {str(arm): float(size) for arm, size in given.items()}
    raise ValueError(f"should be a number, or a table of arms such as {{ relu = 6.0 }}, not {in_toml(given)}")


def _is_number(given: Any) -> bool:
    return type(given) in (int, float) and -1e100 < given < 1e100


def _measure(given: Any) -> Measure:
    found = given if isinstance(given, Measure) else named(given)
    if found is None:
        raise PydanticKnownError("literal_error", {"expected": ", ".join(map(repr, MEASURES))})
    return found


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Claim(_Part):
    """What is claimed: where, in which words, how large, measured on which data."""

    section: str = ""  # of the paper
    source: str = "the paper"
    says: str
    effect: Annotated[float | dict[str, float] | None, PlainValidator(_sizes)] = (
        None  # ratio, or percentage points; one for all arms, or arm by arm
    )
    effect_range: Annotated[tuple[float, float], AfterValidator(_rising)] | None = None
    direction: Literal["positive", "negative", "none"] | None = (
        None  # negative: an arm is worse; none: nothing differs; None: the effect's sign
    )
    data: str
    landmarks: dict[str, float] = {}  # arm -> epochs read off the paper's figure

    def effect_of(self, arm: str) -> float | None:
        """The size claimed for an arm, in the effect's units; None where the paper gives none."""
        return self.effect.get(arm) if isinstance(self.effect, dict) else self.effect

    def __str__(self) -> str:
        of_paper = self.section and self.source.startswith("the paper")
        where = f"section {self.section}, on {self.data}" if of_paper else f"on {self.data}"
        return f"{self.source[:1].upper()}{self.source[1:]} ({where}): {self.says}"


class Plan(_Part):
    """What `[base]` says of the campaign rather than of a trial; none of it enters a setting's hash."""

    seeds: Annotated[int, Field(ge=1, le=1000)] = 6
    looks: Annotated[tuple[int, ...], AfterValidator(planned)] | None = (
        None  # instead of `seeds`: judged at each of these numbers of them, until decided
    )
    lr_grid: Annotated[
        tuple[Annotated[float, Field(gt=0, le=1000)], ...], AfterValidator(_distinct)
    ] | None = None  # fmt: skip
    lr_widenings: Annotated[int, Field(ge=0, le=20)] = 6  # how often the grid may grow when a rate on its edge is best
    search_seeds: Annotated[int, Field(ge=1, le=100)] = 1
    search_epochs: Annotated[int, Field(ge=1, le=10000)] | None = (
        None  # budget of a search trial; None: that of the others
    )


class Ablation(_Part):
    """One file `ablations/NAME.toml`, checked; `plan`, `arms` and `settings()` are what the rest of the house reads."""

    name: str
    title: str
    control: str
    varies: tuple[str, ...]
    measure: Annotated[Measure, PlainValidator(_measure), PlainSerializer(lambda measure: measure.name)]
    compares: Literal["arms", "interaction"] = "arms"  # interaction: of two knobs, in four arms
    margin: Annotated[float, Field(gt=0)] | None = None  # a factor above 1 for ratios, points for errors
    note: str | None = None  # what to bear in mind with any verdict; stands beside it
    claim: Claim
    plan: Plan
    base: dict[str, Any]
    arms: dict[str, dict[str, Any]]
    data_of_file: str
    smoke: bool = False

    @property
    def searched(self) -> tuple[str, ...]:
        """The arms whose learning rate is searched."""
        return tuple(arm for arm, knobs in self.arms.items() if {**self.base, **knobs}["lr"] == "search")

    @property
    def subject(self) -> str:
        """The arm that is looked at more closely, its net and what it makes of images: the first that is no control."""
        return min(arm for arm in self.arms if arm != self.control)

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


HEAD_KEYS = ("title", "control", "varies", "measure", "compares", "margin", "note")
TOP_KEYS = {*HEAD_KEYS, "claim", "base", "arms", "smoke"}


def parse(document: dict[str, Any], *, name: str, overrides: dict[str, Any], smoke: bool):
    """(Ablation or None, faults) of a TOML document."""
    faults = [unknown_key(key, TOP_KEYS) for key in document if key not in TOP_KEYS]
    if not is_name(name):
        faults.append(
            f"the file's name '{printable(name)}' should be letters, digits, '-', '_' or '.' only, 48 at most; rename it"
        )
    tables = {key: document.get(key, {}) for key in ("claim", "base", "arms", "smoke")}
    for key, table in tables.items():
        if not isinstance(table, dict):
            faults.append(f"{key}: should be a table, write [{key}]")
            tables[key] = {}
    base: dict[str, Any] = {}
    for layer in (tables["base"], tables["smoke"] if smoke else {}, overrides):
        base = _laid_over(base, layer)
    head = {key: document[key] for key in HEAD_KEYS if key in document}
    if not (isinstance(v := head.get("varies"), list) and v and all(isinstance(key, str) for key in v)):
        faults.append('varies: should be a list of knobs, such as ["activation"]')
        head["varies"] = []
    claim = _validate(Claim, tables["claim"], "[claim] ", faults)
    arms = _arms(tables["arms"], faults)
    plan = _base_faults(base, arms, head.get("measure"), "[base] ", faults)
    if not smoke and not any(fault.startswith("[base]") for fault in faults):
        _base_faults(_laid_over(tables["base"], tables["smoke"]), arms, head.get("measure"), "[smoke] ", faults)
    if smoke:  # what stands in [smoke] is to be mended there
        faults = [_of_smoke(fault, tables["smoke"].keys() - overrides.keys()) for fault in faults]
    faults += [
        f"[base] {key}: every arm sets its own, so this would change nothing; change it in a copy of the file"
        for key in overrides
        if key in head["varies"] and arms and all(key in knobs for knobs in arms.values())
    ]
    base = {key: value for key, value in base.items() if key not in Plan.model_fields}
    faults += arm_faults(head, base, arms)
    control = head.get("control")
    if tables["arms"] and isinstance(control, str) and control not in tables["arms"]:
        faults.append(f"control: no arm is called '{printable(control)}', {nearest(control, arms)}")
    if claim:
        named = {"landmarks": claim.landmarks, "effect": claim.effect if isinstance(claim.effect, dict) else {}}
        faults += [
            f"[claim] {key}: no arm is called '{printable(arm)}', {nearest(arm, arms)}"
            for key, table in named.items()
            for arm in table
            if arms and arm not in arms
        ]
        faults += claim_faults(claim.effect, claim.effect_range, claim.direction, head.get("measure"))
    rest = {"plan": plan or Plan(), "claim": claim or Claim(section="", says="", data="")}
    ablation = _validate(
        Ablation,
        {
            **head, **rest, "name": name, "base": base, "arms": arms, "smoke": smoke,
            "data_of_file": data if isinstance(data := tables["base"].get("data"), str) else "",
        },
        "",
        faults,
    )  # fmt: skip
    return (None if faults else ablation), list(dict.fromkeys(faults))


def _laid_over(base: dict[str, Any], layer: dict[str, Any]) -> dict[str, Any]:
    """A layer over those below it: `seeds` puts `looks` away, and the other way round."""
    away = {"seeds": "looks", "looks": "seeds"}
    return {key: value for key, value in base.items() if away.get(key) not in layer} | layer


def _of_smoke(fault: str, keys: Collection[str]) -> str:
    key = fault.removeprefix("[base] ").split(":")[0].split(".")[0]
    return fault.replace("[base]", "[smoke]", 1) if fault.startswith("[base] ") and key in keys else fault


def is_name(text: str) -> bool:
    return len(text) <= 48 and text[:1].isalnum() and text.isascii() and all(c.isalnum() or c in "-_." for c in text)


def _arms(table: dict[str, Any], faults: list[str]) -> dict[str, dict[str, Any]]:
    arms = {}
    for arm, knobs in table.items():
        if not is_name(arm):
            faults.append(f"[arms] '{printable(arm)}': an arm's name should be letters, digits, '-', '_' or '.' only")
        elif not isinstance(knobs, dict):
            faults.append(f"[arms] {arm}: should be a table, write [arms.{arm}]")
        else:
            faults += [
                f"[arms.{arm}] {key}: is the same for all arms; move it to [base]"
                for key in knobs
                if key in Plan.model_fields
            ]
            arms[arm] = {key: value for key, value in knobs.items() if key not in Plan.model_fields}
    if len(table) < 2:
        faults.append("[arms]: a comparison needs at least two arms, write [arms.NAME] twice")
    return arms


def _base_faults(
    base: dict[str, Any], arms: dict[str, dict], measure: Any, where: str, faults: list[str]
) -> Plan | None:
    """Adds the faults of the base, then those that only an arm has (named with the arm); gives the base's plan."""
    knobs = {key: value for key, value in base.items() if key not in Plan.model_fields}
    plan = _validate(Plan, {key: base[key] for key in base if key not in knobs}, where, faults)
    if {"seeds", "looks"} <= base.keys():
        faults.append(f"{where}looks: goes without seeds; leave one of them out")
    searchable = "lr_grid" in base
    own = setting_faults(knobs, measure, searchable, Plan.model_fields)
    of_arms = {
        arm: setting_faults({**knobs, **changes}, measure, searchable, Plan.model_fields)
        for arm, changes in arms.items()
    }
    # An arm may supply what the base leaves out: that is missing from the base only if it is missing everywhere.
    shared = [fault for fault in own if ": missing" not in fault or all(fault in them for them in of_arms.values())]
    faults += [where + fault for fault in shared]
    faults += [f"[arms.{arm}] {fault}" for arm, them in of_arms.items() for fault in them if fault not in shared]
    return plan


def _validate(model, table: dict[str, Any], where: str, faults: list[str]):
    # TOML has arrays where a strict model wants a tuple.
    table = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    try:
        return model.model_validate(table)
    except ValidationError as error:
        for entry in error.errors():
            line = fault_line(entry)
            if entry["type"] == "extra_forbidden":
                line = unknown_key(str(entry["loc"][-1]), set(model.model_fields))
            faults.append(where + line)
        return None
