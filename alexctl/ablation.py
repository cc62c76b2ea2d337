"""An ablation is one controlled comparison: a base, its arms, what varies, a measure. It is data; no code runs from it."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from alexctl.errors import UserError, nearest, printable
from alexctl.knobs import Setting, fault_line, known_keys, resolve, unknown_key

Measure = Literal["epochs_to_target", "test_error", "seconds_per_epoch"]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,47}$")]
SEARCH_SEED = 10_000
"""Learning rates are searched on seeds from here on, which are never reported (reported ones are 0, 1, 2, ...)."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Claim(_Part):
    """What the paper says: where, in which words, how large, measured on which data."""

    section: str
    says: str
    effect: float | None = None
    effect_range: tuple[float, float] | None = None
    data: str
    landmarks: dict[str, float] = {}  # arm -> epochs read off the paper's figure


class Plan(_Part):
    """What `[base]` says of the campaign rather than of a trial; none of it enters a setting's hash."""

    seeds: Annotated[int, Field(ge=1, le=1000)] = 6
    lr_grid: Annotated[tuple[Annotated[float, Field(gt=0)], ...], Field(min_length=2)] | None = None
    lr_widenings: Annotated[int, Field(ge=0, le=20)] = 6  # how often the grid may grow when a rate on its edge is best
    search_seeds: Annotated[int, Field(ge=1, le=100)] = 1


class Ablation(_Part):
    """One file `ablations/NAME.toml`, checked; `plan`, `arms` and `settings()` are what the rest of the house reads."""

    name: str
    title: str
    control: str
    varies: tuple[str, ...]
    measure: Measure
    margin: Annotated[float, Field(gt=0)] | None = None
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

    def setting(self, arm: str, data_name: str, data_digest: str, *, lr: float | None = None, **changes) -> Setting:
        """The fully resolved setting of one arm; `lr` replaces a searched rate."""
        table = {**self.base, **self.arms[arm], **changes}
        if lr is not None:
            table["lr"] = lr
        training, net, faults = resolve(table)
        if faults:
            raise UserError(*(f"{self.name}, arm {arm}: {fault}" for fault in faults))
        return Setting(training=training, net=net, data_name=data_name, data_digest=data_digest)


def ablation_folders() -> list[Path]:
    """Where the shipped files lie: in a checkout beside the package, in an installed wheel inside it."""
    package = Path(__file__).parent
    return [folder for folder in (package.parent / "ablations", package / "_shipped" / "ablations") if folder.is_dir()]


def shipped() -> dict[str, Path]:
    """Every ablation that can be named, and its file."""
    return {path.stem: path for folder in reversed(ablation_folders()) for path in sorted(folder.glob("*.toml"))}


def find(name: str) -> Path:
    """The file of an ablation given by name or by path; UserError names the nearest one."""
    if name in (known := shipped()):
        return known[name]
    looks_like_path = name.endswith(".toml") or "/" in name or "\\" in name
    if looks_like_path and Path(name).is_file():
        return Path(name)
    if looks_like_path:
        raise UserError(f"no ablation file {printable(name)}; `alexctl list` names the ones that come with alexctl")
    raise UserError(
        f"unknown ablation '{printable(name)}', {nearest(name, known)} A file of your own is given by path."
    )


def load(name: str, *, overrides: dict[str, Any] | None = None, smoke: bool = False) -> Ablation:
    """The ablation of that name or path, `[smoke]` and then `overrides` laid over its base.

    Raises UserError with every fault of the file, a line each.
    """
    path = find(name)
    try:
        document = tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise UserError(f"{path}: can't be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{path}: not valid TOML: {printable(str(error))}") from None
    ablation, faults = parse(document, name=path.stem, overrides=overrides or {}, smoke=smoke)
    if faults:
        raise UserError(*(f"{path.name}: {fault}" for fault in faults))
    return ablation


TOP_KEYS = {"title", "control", "varies", "measure", "margin", "claim", "base", "arms", "smoke"}


def parse(document: dict[str, Any], *, name: str, overrides: dict[str, Any], smoke: bool):
    """(Ablation or None, faults) of a TOML document."""
    faults = [unknown_key(key, TOP_KEYS) for key in document if key not in TOP_KEYS]
    if not _is_name(name):
        faults.append(f"the file's name '{printable(name)}' should be letters, digits, '-', '_' or '.' only")
    tables = {key: document.get(key, {}) for key in ("claim", "base", "arms", "smoke")}
    for key, table in tables.items():
        if not isinstance(table, dict):
            faults.append(f"{key}: should be a table, write [{key}]")
            tables[key] = {}
    base = {**tables["base"], **(tables["smoke"] if smoke else {}), **overrides}
    plan_table = {key: base.pop(key) for key in list(base) if key in Plan.model_fields}
    head = {key: document[key] for key in ("title", "control", "varies", "measure", "margin") if key in document}
    plan = _validate(Plan, _tuples(plan_table), "[base] ", faults)
    claim = _validate(Claim, _tuples(tables["claim"]), "[claim] ", faults)
    arms = _arms(tables["arms"], faults)
    smoke_base = {**tables["base"], **tables["smoke"]}
    faults += _base_faults(base, plan_table, arms, "[base] ")
    if not smoke and not any(fault.startswith("[base]") for fault in faults):
        smoke_plan = {key: smoke_base.pop(key) for key in list(smoke_base) if key in Plan.model_fields}
        _validate(Plan, _tuples(smoke_plan), "[smoke] ", faults)
        faults += _base_faults(smoke_base, smoke_plan, arms, "[smoke] ")
    faults += _varies_faults(head, base, arms)
    rest = {"plan": plan or Plan(), "claim": claim or Claim(section="", says="", data="")}
    ablation = _validate(
        Ablation,
        {
            **_tuples(head), **rest, "name": name, "base": base, "arms": arms, "smoke": smoke,
            "data_of_file": str(tables["base"].get("data", "")),
        },
        "",
        faults,
    )  # fmt: skip
    return (None if faults else ablation), list(dict.fromkeys(faults))


def _is_name(text: str) -> bool:
    return len(text) <= 48 and text[:1].isalnum() and text.isascii() and all(c.isalnum() or c in "-_." for c in text)


def _tuples(table: dict[str, Any]) -> dict[str, Any]:
    """TOML has arrays; strict models want tuples, and integers where a float is meant are welcome."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}


def _arms(table: dict[str, Any], faults: list[str]) -> dict[str, dict[str, Any]]:
    arms = {}
    for arm, knobs in table.items():
        if not _is_name(arm):
            faults.append(f"[arms] '{printable(arm)}': an arm's name should be letters, digits, '-', '_' or '.' only")
        elif not isinstance(knobs, dict):
            faults.append(f"[arms] {arm}: should be a table, write [arms.{arm}]")
        else:
            arms[arm] = knobs
    if len(table) < 2:
        faults.append("[arms]: a comparison needs at least two arms, write [arms.NAME] twice")
    return arms


def _base_faults(base: dict[str, Any], plan: dict[str, Any], arms: dict[str, dict], where: str) -> list[str]:
    """Faults of the base alone, then those an arm adds (named with the arm)."""
    faults = []
    resolved = {None: base} | {arm: {**base, **knobs} for arm, knobs in arms.items()}
    seen = set()
    for arm, table in resolved.items():
        table = dict(table)
        if table.get("lr") == "search":
            if "lr_grid" not in plan:
                seen_line = 'lr_grid: missing; with lr = "search" give the rates to try, such as [0.001, 0.002, 0.004]'
                if seen_line not in seen:
                    faults.append(where + seen_line)
                    seen.add(seen_line)
            table["lr"] = 1.0
        # An arm may supply what the base leaves out, so the base alone is not blamed for missing keys.
        for fault in resolve(table)[2]:
            if fault in seen or (arm is None and arms and fault.endswith(": missing")):
                continue
            seen.add(fault)
            faults.append((where if arm is None else f"[arms.{arm}] ") + fault)
    return faults


def _varies_faults(head: dict[str, Any], base: dict[str, Any], arms: dict[str, dict]) -> list[str]:
    """An arm that changes a key not in `varies` is refused: the file is a controlled comparison."""
    faults = []
    varies = head.get("varies", [])
    if not isinstance(varies, list) or not all(isinstance(key, str) for key in varies) or not varies:
        return ['varies: should be a list of knobs, such as ["activation"]']
    known = known_keys(base.get("net"))
    faults += [f"varies: {unknown_key(key, known)}" for key in varies if key not in known]
    for arm, knobs in arms.items():
        extra = [key for key in knobs if key not in varies]
        faults += [
            f"[arms.{arm}] changes {printable(key)}, which is not in varies = {printable(str(varies))}; "
            "move it to [base] or name it in varies"
            for key in extra
            if key in known
        ]
    effective = {arm: tuple(str({**base, **knobs}.get(key)) for key in varies) for arm, knobs in arms.items()}
    for arm, values in effective.items():
        twin = next((other for other, others in effective.items() if other != arm and others == values), None)
        if twin is not None and arm > twin:
            faults.append(f"[arms.{arm}] is the same as [arms.{twin}]: it changes nothing")
    control = head.get("control")
    if arms and isinstance(control, str) and control not in arms:
        faults.append(f"control: no arm is called '{printable(control)}', {nearest(control, arms)}")
    return faults


def _validate(model, table: dict[str, Any], where: str, faults: list[str]):
    try:
        return model.model_validate(_floats(model, table))
    except ValidationError as error:
        for entry in error.errors():
            line = fault_line(entry)
            if entry["type"] == "extra_forbidden":
                line = unknown_key(str(entry["loc"][-1]), set(model.model_fields))
            faults.append(where + line)
        return None


def _floats(model, table: dict[str, Any]) -> dict[str, Any]:
    """Whole numbers in a tuple of floats (`[1, 2]`) count as floats."""
    return {
        key: tuple(float(v) if type(v) is int else v for v in value)
        if isinstance(value, tuple) and key in ("lr_grid", "effect_range")
        else value
        for key, value in table.items()
    }


def override(pairs: list[str]) -> dict[str, Any]:
    """`["lr=0.01", "net=convnet4"]` as a table: values as TOML has them, a bare word being a string."""
    table, faults = {}, []
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.strip():
            faults.append(f"--set {printable(pair)}: write KEY=VALUE, such as --set lr=0.01")
            continue
        try:
            table[key.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            table[key.strip()] = text.strip()
    if faults:
        raise UserError(*faults)
    return table
