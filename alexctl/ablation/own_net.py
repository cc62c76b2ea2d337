"""Nets of the user's own, `package.module:factory`: the factory's annotated keyword arguments are the knobs. No torch.

Nothing is imported before `register`, and reading stored results never calls it: there `net_model` gives a table that
takes whatever was stored.
"""

import inspect
import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import ConfigDict, TypeAdapter, ValidationError, create_model

from alexctl.ablation.faults import fault_of
from alexctl.ablation.knobs import NETS, PUBLISHED, Knobs
from alexctl.ablation.measures import MEASURES
from alexctl.ablation.own_code import (
    forget_others,
    import_module,
    in_a_line,
    is_here,
    raised_told,
    shown,
    source_digest,
)
from alexctl.ablation.toml import key_values, quoted
from alexctl.errors import UserError, nearest

GIVEN = ("image_shape", "num_classes", "seed")  # what alexctl gives a factory that asks for it; never knobs
COLUMNS = (  # of trials.csv, where a knob that varies has a column of its own
    "ablation", "arm", "phase", "status", "censored", "epochs_run", "train_loss", "train_error", "test_error",
    "top5_error", "validation_error", "train_error_pass", "whole_epoch_error", "budget", "train_seconds", "eval_seconds",
    "trial", "error", "log",
    *MEASURES,
)  # fmt: skip
TYPES = "int, float, bool, str, Literal[...], tuple[int, ...] and the like, any of them with `| None` or Annotated"


class UncheckedKnobs(Knobs):
    """The knobs of a net whose code was not imported, as they stand in a file."""

    model_config = ConfigDict(extra="allow")


class _OwnKnobs(Knobs):
    model_config = ConfigDict(validate_default=True, protected_namespaces=())


@dataclass(frozen=True, kw_only=True)
class OwnNet:
    """A factory that was imported; `source` identifies the code it came from, `given` is what it asks for of GIVEN."""

    factory: Callable[..., Any]
    knobs: type[Knobs]
    given: tuple[str, ...]
    source: str
    file: str

    def arguments(self, table: dict[str, Any], **given: Any) -> dict[str, Any]:
        """What to call the factory with: the stored knobs, checked and typed again, and what it asks for."""
        table = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
        knobs = self.knobs.model_validate(table)
        own = {key: getattr(knobs, key) for key in self.knobs.model_fields if key != "net_source"}
        return own | {key: given[key] for key in self.given}


_registered: dict[str, OwnNet] = {}


def is_own(name: Any) -> bool:
    """Whether a net's name has the form package.module:factory."""
    if not isinstance(name, str):
        return False
    module, colon, factory = name.partition(":")
    return bool(colon) and all(part.isidentifier() for part in (*module.split("."), factory))


def is_checked(name: Any) -> bool:
    """Whether the knobs of the net of that name are known, so that another key is a fault."""
    return isinstance(name, str) and (name in NETS or name in _registered)


def net_model(name: Any) -> type[Knobs] | None:
    """What the net of that name can be told; None where there is no such net."""
    if is_checked(name):
        return NETS.get(name) or _registered[name].knobs
    return UncheckedKnobs if is_own(name) else None


def unknown_net(name: Any) -> str:
    """The fault for a net nobody has."""
    if name is None:
        return f"missing, choose from: {', '.join(NETS)}"
    if not isinstance(name, str):
        return f"should be text in quotes, not {quoted(name)}"
    if ":" in name or ".py" in name or "/" in name:
        return (
            f"unknown net '{name}'; a net of your own is written package.module:factory, such as "
            "'mynet:make' for the function make in mynet.py"
        )
    published = name.removeprefix("layers-").removesuffix(".cfg")
    if published in PUBLISHED:
        net, knobs = PUBLISHED[published]
        return f"unknown net '{name}'; here cuda-convnet's {published} is {key_values({'net': net, **knobs})}"
    found = nearest(name, NETS)
    return f"unknown net '{name}', {found}{'' if found.close else ', or package.module:factory'}"


def code_notes(names: Collection[Any], beside: Path) -> list[str]:
    """A line for each net of the user's own: that it is code, and where (here, or `beside` the ablation's file), as far as
    that is known without running it."""
    lines = []
    for name in dict.fromkeys(filter(is_own, names)):
        module = f"{name.partition(':')[0]}.py"  # to find a package's would be to import it
        file = next((folder / module for folder in (Path(), beside) if (folder / module).is_file()), None)
        where = f" ({file})" if file else ""
        lines.append(
            f"net = '{name}' is code of your own{where}, its knobs are not checked here: "
            "`alexctl ablate` imports and runs it; read it first"
        )
    return lines


def register(name: str, taken: Collection[str] = ()) -> OwnNet:
    """Imports the factory `package.module:factory` and makes a strict model of its arguments; once in a process.

    `taken` are names that a knob can't have. UserError has a line for everything that is wrong with it.
    """
    module_name, _, factory_name = name.partition(":")
    if forget_others(module_name):
        _registered.clear()
    if name in _registered:
        return _registered[name]
    module = import_module(module_name)
    with raised_told(
        f"{name}: reading what it takes raised {{}}"
    ):  # a module may have a `__getattr__`, and types are code
        return _register(name, module, factory_name, taken)


def _register(name: str, module: ModuleType, factory_name: str, taken: Collection[str]) -> OwnNet:
    module_name = module.__name__
    file = shown(Path(module.__file__)) if getattr(module, "__file__", None) else module_name
    factory = getattr(module, factory_name, None)
    makers = [key for key, value in vars(module).items() if getattr(value, "__module__", None) == module_name]
    makers = [key for key in makers if callable(getattr(module, key))]
    if not hasattr(module, factory_name):
        raise UserError(f"{file} has no '{factory_name}', {nearest(factory_name, makers)}")
    if not callable(factory):
        raise UserError(
            f"{name} is of type {type(factory).__name__}, not a function or class that makes a net, "
            f"{nearest(factory_name, makers)}"
        )
    source = source_digest(module)
    fields, given = _arguments(name, factory, taken)
    knobs = create_model("OwnNetKnobs", __base__=_OwnKnobs, **fields, net_source=(Literal[source], source))
    _registered[name] = own = OwnNet(factory=factory, knobs=knobs, given=given, source=source, file=file)
    return own


def _arguments(name: str, factory: Callable, taken: Collection[str]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """(pydantic's fields by name, which of GIVEN it has); UserError with a line an argument that won't do.

    An argument of a type that no file can give keeps its default, if it has one, and is no knob. Of a factory that is
    not the user's to change, UserError has one line, with a factory to write instead.
    """
    try:
        signature = inspect.signature(factory, eval_str=True)
    except Exception as error:  # a string that is no type, or a builtin that tells nothing of itself
        raise UserError(f"{name}: its arguments can't be read: {in_a_line(error)}") from None
    ours = _is_ours(name, factory)
    fields, given, wrapped = {}, [], not ours
    wrong: list[tuple[str, str]] = []  # what, and what to do about it
    for key, parameter in signature.parameters.items():
        has_default = parameter.default is not parameter.empty
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            stars = "*" if parameter.kind is parameter.VAR_POSITIONAL else "**"
            wrong.append((f"takes {stars}{key}, which names no knobs", "write out each argument"))
            wrapped = True
        elif parameter.kind is parameter.POSITIONAL_ONLY:
            wrong.append((f"argument '{key}' can't be given by its name", "remove the '/' after it"))
        elif key in GIVEN:
            given.append(key)
        elif key in taken or key in COLUMNS or key == "net_source" or key.startswith("_") or hasattr(Knobs, key):
            wrong.append((f"argument '{key}' has a name that alexctl uses itself", "rename it"))
        elif has_default and not _can_be_a_knob(parameter, ours):
            continue
        elif parameter.annotation is parameter.empty:
            wrong.append((f"argument '{key}' has no type", f"annotate it, such as {_annotated(parameter)}"))
            wrapped |= not has_default
        else:
            wrong += _type_faults(parameter)
            fields[key] = (parameter.annotation, parameter.default if has_default else ...)
    if wrong and not ours:
        raise UserError(f"{name} can't be a factory as it is: {wrong[0][0]}; {_three_lines(name, signature)}")
    if wrong:
        lines = [f"{name}: {'; '.join(filter(None, (what, remedy)))}" for what, remedy in wrong]
        raise UserError(*lines[:-1], f"{lines[-1]}; or {_three_lines(name, signature)}" if wrapped else lines[-1])
    return fields, tuple(given)


def _is_ours(name: str, factory: Callable) -> bool:
    """Whether a factory was written by the user, who may change it."""
    module = factory.__module__ if inspect.isroutine(factory) or inspect.isclass(factory) else name.partition(":")[0]
    file = getattr(sys.modules.get(module), "__file__", None)
    return file is not None and is_here(Path(file))


def _can_be_a_knob(parameter: inspect.Parameter, ours: bool) -> bool:
    """Whether a file can give an argument with a default: by its type or, where the user may add one, by its default."""
    if parameter.annotation is not parameter.empty:
        return _is_of_a_file(parameter.annotation)
    default = parameter.default
    of_a_file = all(
        type(each) in (int, float, bool, str) for each in (default if type(default) is tuple else [default])
    )
    return ours and of_a_file


def _annotated(parameter: inspect.Parameter) -> str:
    """An argument without a type as it could be written."""
    if parameter.default is parameter.empty:
        return f"{parameter.name}: int = 16"
    values = parameter.default if type(parameter.default) is tuple else (parameter.default,)
    kind = type(values[0]).__name__ if values else "int"
    kind = f"tuple[{kind}, ...]" if type(parameter.default) is tuple else kind
    return f"{parameter.name}: {kind} = {parameter.default!r}"


def _three_lines(name: str, signature: inspect.Signature) -> str:
    """What to write instead of a factory that won't do."""
    module, _, factory = name.partition(":")
    parameters = signature.parameters.values()
    starred = any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters)
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    takes_classes = starred or any(p.name == "num_classes" for p in named)
    arguments = [f"{p.name}=..." for p in named if p.default is p.empty and p.name not in GIVEN]
    arguments += ["num_classes=num_classes"] * takes_classes
    return (
        f"write one of three lines: in factories.py `from {module} import {factory}`, "
        f"`def make(*, num_classes: int):` and `    return {factory}({', '.join(arguments)})`, "
        "and net = 'factories:make'"
    )


def _type_faults(parameter: inspect.Parameter) -> list[tuple[str, str]]:
    """What is wrong with an argument's type, or with its default by its own type, and what to do about it."""
    key, annotation = parameter.name, parameter.annotation
    if not _is_of_a_file(annotation):
        text = inspect.formatannotation(annotation)
        return [(f"argument '{key}' is of type {text}, which a file can't give", f"choose from: {TYPES}")]
    has_default = parameter.default is not parameter.empty
    for value in [parameter.default] if has_default else ["", 0, 0.0]:  # Field(ge=1) for text fails on text alone
        try:
            TypeAdapter(annotation, config=ConfigDict(strict=True, allow_inf_nan=False)).validate_python(value)
        except ValidationError as error:
            if has_default:
                entries = ({**entry, "loc": (key, *entry["loc"])} for entry in error.errors())
                return [(f"the default of {fault_of(entry)}", "") for entry in entries]
        except Exception as error:
            return [(f"argument '{key}': its type can't be used: {in_a_line(error)}", "")]
    return []


def _is_of_a_file(annotation: Any, *, in_tuple: bool = False) -> bool:
    """Whether TOML can hold values of this type: a scalar, or a tuple of scalars."""
    annotation = getattr(annotation, "__value__", annotation)  # `type Side = Literal[...]`
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _is_of_a_file(inner[0], in_tuple=in_tuple)
    if origin is Literal:
        return all(type(value) in (str, int, bool, NoneType) for value in inner)
    if origin in (Union, UnionType):
        return len(inner) == 2 and NoneType in inner and _is_of_a_file(inner[inner[0] is NoneType], in_tuple=in_tuple)
    if origin is tuple and not in_tuple:
        return bool(inner) and all(each is ... or _is_of_a_file(each, in_tuple=True) for each in inner)
    return any(annotation is kind for kind in (int, float, bool, str))
