"""The doctor's checks of packages: what is installed, in which version, and whether torch and torchvision belong together."""

import platform
import warnings
from importlib import import_module, metadata
from types import ModuleType
from typing import TYPE_CHECKING

from alexctl.errors import printable

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

PAIR = ("torch", "torchvision")
REINSTALL_PAIR = (
    "uv pip install --reinstall torch torchvision   "
    "(without uv: python -m pip install --force-reinstall torch torchvision)"
)

Finding = tuple[str, str, str]  # state, found, action


def versions() -> str:
    """What `--version` prints: the packages whose versions can move a number; imports none of them."""
    from alexctl import __version__

    known = [f"alexctl {__version__}", f"Python {platform.python_version()}"]
    return ", ".join(known + [f"{name} {version(name) or 'missing'}" for name in ("torch", "torchvision", "numpy")])


def torch_pair() -> Finding:
    """Whether torch and torchvision are there, new enough, and made for each other."""
    wanted_by_us = needs("alexctl")
    misfits = [fault for name in PAIR if (fault := misfit(name, wanted_by_us.get(name)))]
    if misfits:
        return "fail", "; ".join(misfits), REINSTALL_PAIR
    try:
        build = quiet_import("torch").__version__  # with "+cpu" or "+cu132", which the metadata may not have
    except Exception as error:
        return "fail", f"torch {version('torch')} fails at import: {first_line(error)}", REINSTALL_PAIR
    pair = f"torch {build}, torchvision {version('torchvision')}"
    wanted = needs("torchvision").get("torch")
    if wanted and not within(build, wanted):
        return "fail", f"{pair}: this torchvision needs torch {wanted}", REINSTALL_PAIR
    try:
        quiet_import("torchvision")
    except ModuleNotFoundError as error:
        return "fail", f"{pair}: torchvision fails at import: {first_line(error)}", REINSTALL_PAIR
    except Exception as error:
        # Its operators were compiled against another build, most often CUDA's beside a CPU-only torch.
        found = f"{pair}: this torch build does not belong to this torchvision ({first_line(error)})"
        return "fail", found, REINSTALL_PAIR
    return "ok", pair, ""


def others() -> Finding:
    """Whether everything else that alexctl's own metadata asks for is there, in a version it asks for."""
    rest = {name: wanted for name, wanted in needs("alexctl").items() if name not in PAIR}
    if not rest:
        found = "alexctl is not installed here, so what it needs is not on record"
        return "note", found, "make setup   (or: uv pip install -e .)"
    misfits = {name: fault for name, wanted in rest.items() if (fault := misfit(name, wanted))}
    if misfits:
        install = " ".join(f'"{name}{rest[name]}"' for name in misfits)
        return "fail", "; ".join(misfits.values()), f"uv pip install {install}"
    return "ok", f"all {len(rest)} that alexctl needs, in versions it can use", ""


def version(package: str) -> str | None:
    """The version installed here; None when there is none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def needs(package: str) -> "dict[str, SpecifierSet]":
    """The versions of others that a package's metadata asks for, without extras; empty when it is not installed."""
    from packaging.requirements import Requirement

    try:
        found = [Requirement(line) for line in metadata.requires(package) or []]
    except metadata.PackageNotFoundError:
        return {}
    return {need.name.lower(): need.specifier for need in found if not need.marker or need.marker.evaluate()}


def misfit(package: str, wanted: "SpecifierSet | None") -> str | None:
    """What is wrong with an installed package, if something is."""
    have = version(package)
    if have is None:
        return f"{package} is missing"
    return f"{package} {have} is here, {wanted} is needed" if wanted and not within(have, wanted) else None


def within(have: str, wanted: "SpecifierSet") -> bool:
    """Whether a version will do; a pre-release or a vendor's build will where its release would."""
    from packaging.version import Version

    return any(wanted.contains(text, prereleases=True) for text in (have, Version(have).base_version))


def quiet_import(name: str) -> ModuleType:
    """Import with its warnings kept off the screen; raises whatever the package raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return import_module(name)


def first_line(error: Exception | str) -> str:
    """What to show of an error: its kind, unless that says nothing, and no more than a line."""
    lines = str(error).strip().splitlines() or [""]
    line = printable(lines[0])[:200]
    if isinstance(error, str | RuntimeError):
        return line
    return f"{type(error).__name__}: {line}"
