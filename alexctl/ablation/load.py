"""From an ablation's name or path to the checked ablation: found, read, options laid over it, every fault named."""

import re
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from alexctl.ablation.faults import Fault
from alexctl.ablation.knobs import PRESETS, Knobs, TrainingKnobs
from alexctl.ablation.model import Ablation, Plan, current_name
from alexctl.ablation.own_code import look_beside
from alexctl.ablation.own_net import is_own, net_model, register
from alexctl.ablation.parse import parse
from alexctl.ablation.setting import Setting, resolve_net
from alexctl.ablation.toml import quoted, to_toml
from alexctl.errors import UserError, nearest, short
from alexctl.statistics.looks import LOOKS, looks_up_to

TAKEN = {*TrainingKnobs.model_fields, *Setting.model_fields, *Plan.model_fields}  # names no knob of an own net can have
MOST_BYTES = 100_000  # of a file that may be an ablation of one's own


def shipped() -> dict[str, Path]:
    """Every ablation that can be named, and its file: beside the package in a checkout, inside it in a wheel."""
    package = Path(__file__).parents[1]
    folders = (package / "_shipped" / "ablations", package.parent / "ablations")
    return {path.stem: path for folder in folders for path in sorted(folder.glob("*.toml"), key=lambda path: path.stem)}


def own_files(folder: Path) -> list[Path]:
    """The TOML files in a folder that have arms, and so are to be ablations, whatever may be wrong with them."""
    found = []
    for path in sorted(folder.glob("*.toml")):
        try:
            if (
                path.is_file()
                and path.stat().st_size <= MOST_BYTES
                and "arms" in tomllib.loads(path.read_text("utf-8"))
            ):
                found.append(path)
        except (OSError, ValueError, RecursionError):  # no TOML, so not ours to judge
            continue
    return found


def find(name: str) -> Path:
    """The file of an ablation given by name or by path; UserError names the nearest one."""
    if (current := current_name(name)) in (known := shipped()):
        return known[current]
    path = Path(name)
    try:
        if path.is_dir() and ("/" in name or "\\" in name):
            raise UserError(f"{name} is a folder; give the path of an ablation file in it")
        if not (name.endswith(".toml") or "/" in name or "\\" in name):
            if path.name and path.with_name(f"{name}.toml").is_file():
                raise UserError(f"unknown ablation '{name}', did you mean the file ./{name}.toml?")
            found = nearest(name, known)
            more = "" if found.close else "; a file of your own is given by its path, such as ./mine.toml"
            raise UserError(f"unknown ablation '{name}', {found}{more}")
        if path.is_file():
            return path
        beside = nearest(path.name, [file.name for file in path.parent.glob("*.toml")]).close
    except OSError as error:
        raise UserError(f"{name}: can't be read: {error.strerror}") from None
    if beside:
        raise UserError(f"no ablation file {name}, did you mean '{path.with_name(beside)}'?")
    raise UserError(f"no ablation file {name}; `alexctl list` names the ones that come with alexctl")


def load(
    name: str,
    *,
    overrides: dict[str, Any] | None = None,
    flags: Collection[str] = (),
    preset: str | None = None,
    smoke: bool = False,
    run_code: bool = False,
) -> Ablation:
    """The ablation of that name or path, `[smoke]`, or a preset of PRESETS, and then `overrides` laid over its base.

    Raises UserError with every fault, a line each: of the file, or of the overrides, which are named as they were
    given: `--KEY VALUE` where the key is one of the `flags`, else `--set KEY=VALUE`.
    Nets of the user's own are imported with `run_code` alone; else their knobs are taken as they are.
    """
    path, overrides = find(name), overrides or {}
    document = _read(path)
    of_preset = {} if preset is None else _preset(preset, document, smoke)
    own, overrides = overrides.keys(), of_preset | overrides
    unfit = _import_nets(document, overrides, path.parent) if run_code else []
    overrides = _typed(overrides, _nets(document, overrides))
    ablation, faults = parse(document, name=path.stem, overrides=overrides, smoke=smoke)
    if unfit or faults:
        of_file = parse(document, name=path.stem, overrides={}, smoke=smoke)[1] if overrides else faults
        given = {
            key: _given(key, value, flags) if key in own else f"--preset {preset}" for key, value in overrides.items()
        }
        lines = []
        for fault in unfit + faults:
            if fault.where == "--set":  # the value of a flag is in the text
                option = given[fault.key].split()[0] if fault.key in flags else given[fault.key]
                lines.append(f"{option}: {'' if fault.key in own else f'{fault.key}: '}{fault.text}")
            elif fault in unfit + of_file:
                lines.append(f"{path.name}: {fault}")
            else:
                lines.append(f"with {' '.join(dict.fromkeys(given.values()))}: {fault}")
        raise UserError(*lines)
    return ablation


def _nets(document: dict[str, Any], overrides: dict[str, Any]) -> set[str]:
    """The nets that a file and what is laid over it name."""
    arms = document.get("arms")
    tables = [overrides, document.get("base"), *(arms.values() if isinstance(arms, dict) else ())]
    return {table["net"] for table in tables if isinstance(table, dict) and isinstance(table.get("net"), str)}


def _typed(overrides: dict[str, Any], nets: Collection[str]) -> dict[str, Any]:
    """Options that read as a number where their knob takes text: a shell keeps no quotes, so `init=2012` is "2012"."""
    models = [TrainingKnobs, Plan, *filter(None, map(net_model, nets))]
    return {
        key: _as_text(value, [model.model_fields[key] for model in models if key in model.model_fields])
        for key, value in overrides.items()
    }


def _as_text(value: Any, fields: list[FieldInfo]) -> Any:
    if isinstance(value, str) or not fields:
        return value
    adapters = [TypeAdapter(field.rebuild_annotation(), config=ConfigDict(strict=True)) for field in fields]
    try:
        text = to_toml(value)
    except ValueError:  # a number of thousands of digits
        return value
    fits, fits_as_text = (any(_takes(each, given) for each in adapters) for given in (value, text))
    return text if fits_as_text and not fits else value


def _takes(adapter: TypeAdapter, value: Any) -> bool:
    try:
        adapter.validate_python(tuple(value) if isinstance(value, list) else value)
    except ValidationError:
        return False
    return True


def _preset(name: str, document: dict[str, Any], smoke: bool) -> dict[str, Any]:
    """What a preset lays over a document's base: all but what every arm says for itself."""
    _known_preset(name)
    if smoke:
        raise UserError(f"--preset {name}: can't be combined with --smoke, whose images are too small for it")
    arms = document.get("arms")
    tables = [arm for arm in arms.values() if isinstance(arm, dict)] if isinstance(arms, dict) else []
    return {key: value for key, value in PRESETS[name].items() if not (tables and all(key in arm for arm in tables))}


def _known_preset(name: str) -> None:
    if name not in PRESETS:
        raise UserError(f"--preset: unknown preset '{name}', {nearest(name, PRESETS)}")


def _import_nets(document: dict[str, Any], overrides: dict[str, Any], folder: Path) -> list[Fault]:
    """Imports the user's own nets that a file or the overrides name, and tells what is wrong with them, and where."""
    base = {"[base]": document.get("base"), "[smoke]": document.get("smoke")}
    places = {"--set": overrides} if "net" in overrides else base
    arms = document.get("arms")
    places |= {f"[arms.{arm}]": knobs for arm, knobs in (arms.items() if isinstance(arms, dict) else ())}
    faults: dict[str, Fault] = {}
    for where, table in places.items():
        try:
            if isinstance(table, dict) and is_own(net := table.get("net")):
                look_beside(folder)
                register(net, taken=TAKEN)
        except UserError as error:
            for line in error.faults:
                faults.setdefault(line, Fault(where, "net", line))  # where it is named first
    return list(faults.values())


def load_net(name: str, overrides: dict[str, Any], preset: str | None = None) -> Knobs:
    """The knobs of a net, those of a preset laid over them, then `overrides`; UserError with every fault.

    The code of a net of the user's own is imported.
    """
    if is_own(name):
        register(name, taken=TAKEN)
    of_preset: dict[str, Any] = {}
    if preset is not None:
        _known_preset(preset)
        if (its := PRESETS[preset]["net"]) != name:
            raise UserError(f"--preset {preset}: is of {its}, not of {name}; give --net {its}")
        of_preset = {key: value for key, value in PRESETS[preset].items() if key in net_model(name).model_fields}
    knobs, faults = resolve_net(name, of_preset | _typed(overrides, [name]))
    if faults:
        given = {"net": "--net"} | {key: _given(key, value, ()) for key, value in overrides.items()}
        lines = [f"{given.get(fault.key, f'--set {fault.key}')}: {fault.text}" for fault in faults]
        raise UserError(*sorted(lines))
    return knobs


def _read(path: Path) -> dict[str, Any]:
    try:
        if document := tomllib.loads(path.read_bytes().decode("utf-8-sig")):
            return document
    except OSError as error:
        raise UserError(f"{path}: can't be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not valid TOML: byte {error.start + 1} is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path}: not valid TOML: {error}") from None
    except RecursionError:
        raise UserError(f"{path}: not valid TOML: its brackets are nested too deeply") from None
    except ValueError:
        raise UserError(f"{path}: not valid TOML: it holds a number of thousands of digits") from None
    raise UserError(f"{path}: is empty; `alexctl new NAME` writes a file that runs")


def looks_wanted(until_decided: bool, max_seeds: int | None, seeds: int | None) -> list[int] | None:
    """The looks that `--until-decided --max-seeds N` asks for; UserError where `--seeds` says otherwise."""
    if until_decided and seeds is not None:
        raise UserError(
            "--seeds: can't be combined with --until-decided, which takes as many as it needs; limit it with --max-seeds"
        )
    if max_seeds is not None and not until_decided:
        raise UserError("--max-seeds: needs --until-decided; for a fixed number use --seeds")
    return list(looks_up_to(max_seeds or LOOKS[-1])) if until_decided else None


def share_wanted(text: str, plan: Plan) -> range:
    """The reported seeds that `--seed-range FIRST-LAST` asks for, such as 6-11; UserError where the plan has no such."""
    words = re.fullmatch(r"(\d{1,6})(?:-(\d{1,6}))?", text.strip(), re.ASCII)
    if words is None or int(words[2] or words[1]) < int(words[1]):
        raise UserError(f"--seed-range {short(text)}: should be FIRST-LAST, such as 6-11, or one seed")
    share = range(int(words[1]), int(words[2] or words[1]) + 1)
    if plan.looks:
        raise UserError(
            f"--seed-range {text}: can't be combined with --until-decided, which takes as many seeds as it needs; "
            "give a number with --seeds"
        )
    seeds = plan.studies * plan.seeds
    if share[-1] >= seeds:
        raise UserError(
            f"--seed-range {text}: the plan has {seeds} seeds, 0 to {seeds - 1}, of which this is to be a part; "
            + (
                f"plan more with --seeds {share[-1] + 1}"
                if plan.studies == 1
                else "plan more with --seeds or --studies"
            )
        )
    return share


def _given(key: str, value: Any, flags: Collection[str]) -> str:
    """An override as it was typed."""
    if key == "looks" and key in flags:
        return "--until-decided"
    text = short(value) if isinstance(value, str) else quoted(value)
    return f"--{key} {text}" if key in flags else f"--set {key}={text}"


def override(pairs: list[str]) -> dict[str, Any]:
    """`["lr=0.01", "net=convnet4"]` as a table: values as TOML has them, a bare word being a string.

    UserError where a knob is given twice.
    """
    table, faults = {}, []
    for pair in pairs:
        key, equals, text = pair.partition("=")
        key = key.strip()
        if not equals or not key:
            faults.append(f"--set {pair}: write KEY=VALUE, such as --set lr=0.01")
            continue
        if key in table:
            faults.append(f"--set {pair}: {key} is given twice; give it once")
        try:
            read = tomllib.loads(f"value = {text}")
        except (ValueError, RecursionError):  # ValueError: no TOML, or a number beyond all bounds
            read = {}
        table[key] = read["value"] if len(read) == 1 else text.strip()
    if faults:
        raise UserError(*faults)
    return table
