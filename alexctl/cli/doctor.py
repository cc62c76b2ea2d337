"""Looks this machine over before anything is trained: what is there, what it means, what to do about it."""

import codecs
import os
import platform
import re
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path

from alexctl import machine, numbers
from alexctl.errors import printable

GIB = 2**30
MIN_PYTHON = (3, 11)
MIN_MEMORY_GIB = 4.0
MIN_FREE_GIB = 1.0  # of disk, and of memory
PAIR = ("torch", "torchvision")
REINSTALL_PAIR = (
    "uv pip install --reinstall torch torchvision   "
    "(without uv: python -m pip install --force-reinstall torch torchvision)"
)


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing looked at. `state`: ok; note (works, but worth knowing); fail (something will not work)."""

    name: str
    state: str
    found: str
    action: str = ""


Finding = tuple[str, str, str]  # state, found, action


def checks(results: Path, root: Path | None) -> list[Check]:
    """Everything worth looking at, in the order a person would mend it; never raises, whatever is broken.

    `results` is where results will be written, `root` where data lies (None: where it does by
    default); neither need exist, and neither is made.
    """
    looks: dict[str, Callable[[], Finding]] = {
        "Python": python,
        "torch": torch_pair,
        "packages": others,
        "device": device,
        "cores": cores,
        "threads": threads,
        "memory": memory,
        "results folder": lambda: folder(results, "--results"),
        "data folder": lambda: folder(_root(root), "--data-root"),
        "data": lambda: data(_root(root)),
        "terminal": terminal,
    }
    found = []
    for name, look in looks.items():
        try:
            state, what, action = look()
        except Exception as error:
            # A doctor must not die of what it finds; what broke here is told by another check, or is our bug.
            state, what, action = "note", f"could not be looked at: {_first_line(error)}", ""
        found.append(Check(name=name, state=state, found=what, action=action))
    return found


def versions() -> str:
    """What `--version` prints: the packages whose versions can move a number; imports none of them."""
    from alexctl import __version__

    known = [f"alexctl {__version__}", f"Python {platform.python_version()}"]
    return ", ".join(known + [f"{name} {version(name) or 'missing'}" for name in ("torch", "torchvision", "numpy")])


def python() -> Finding:
    """Whether the interpreter is new enough."""
    found = f"{platform.python_version()} ({platform.python_implementation()}, {platform.machine()})"
    if sys.version_info < MIN_PYTHON:
        return "fail", found, "install Python 3.11 or later, then alexctl into it"
    return "ok", found, ""


def torch_pair() -> Finding:
    """Whether torch and torchvision are there, new enough, and made for each other."""
    wanted_by_us = needs("alexctl")
    misfits = [fault for name in PAIR if (fault := misfit(name, wanted_by_us.get(name, "")))]
    if misfits:
        return "fail", "; ".join(misfits), REINSTALL_PAIR
    try:
        build = _import("torch").__version__  # with "+cpu" or "+cu132", which the metadata may not have
    except Exception as error:
        return "fail", f"torch {version('torch')} fails at import: {_first_line(error)}", REINSTALL_PAIR
    pair = f"torch {build}, torchvision {version('torchvision')}"
    wanted = needs("torchvision").get("torch", "")
    if not within(build, wanted):
        return "fail", f"{pair}: this torchvision needs torch {wanted}", REINSTALL_PAIR
    try:
        _import("torchvision")
    except ModuleNotFoundError as error:
        return "fail", f"{pair}: torchvision fails at import: {_first_line(error)}", REINSTALL_PAIR
    except Exception as error:
        # Its operators were compiled against another build, most often CUDA's beside a CPU-only torch.
        found = f"{pair}: this torch build does not belong to this torchvision ({_first_line(error)})"
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


def device() -> Finding:
    """Which device `--device auto` takes, and whether it computes."""
    try:
        torch = _import("torch")
    except Exception:
        return "note", "not known while torch cannot be imported", ""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        chosen = import_module("alexctl.training.device").choose_device("auto")
    if chosen.type == "cpu":
        if old_driver := [str(w.message) for w in caught if "driver" in str(w.message).lower()]:
            return "note", f"the GPU cannot be used: {_first_line(old_driver[0])}", "update the NVIDIA driver"
        if shutil.which("nvidia-smi") and not (torch.version.cuda or torch.version.hip):
            found = f"an NVIDIA driver is here, but torch {torch.__version__} was built without CUDA"
            return "note", found, f"where there is a GPU: {REINSTALL_PAIR}"
        action = "Figure 1 on a CPU takes minutes to hours: `alexctl ablate` prints its estimate before it starts"
        return "note", "no GPU; trials run on the CPU's cores", action
    shown = str(chosen)
    try:
        if chosen.type == "cuda":
            about = torch.cuda.get_device_properties(chosen)
            shown = f"{chosen} ({about.name}, {about.total_memory / GIB:.0f} GiB)"
        if torch.ones(8, device=chosen).sum().item() != 8:
            raise ArithmeticError("eight ones do not add up to 8")
    except Exception as error:
        found = f"{shown} is there but does not compute: {_first_line(error)}"
        return "fail", found, "--device cpu works; is the GPU full, or too old for this torch?"
    return "ok", shown, ""


def cores() -> Finding:
    """How many cores this process may use, and whether a container allows less time than that."""
    usable, quota = machine.usable_cores(), machine.cpu_quota()
    if quota is not None and quota < usable:
        found = f"{usable} usable, but the container has the time of {quota:.1f} only"
        return "note", found, f"--workers {max(1, int(quota))}: more would only wait for each other"
    if usable == 1:
        return "note", "1 usable", "trials run one after another; give it time"
    return "ok", f"{usable} usable: as many trials at once on the CPU", ""


def threads() -> Finding:
    """Whether a thread variable holds what makes no sense here; alexctl itself sets the threads of its workers."""
    usable = machine.usable_cores()

    def fits(value: str) -> bool:
        # OpenMP allows a list, one number a nesting level; the first is what counts.
        first = value.split(",")[0]
        return bool(re.fullmatch("[0-9]{1,4}(,[0-9]{1,4})*", value)) and 1 <= int(first) <= usable

    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
    odd = {name: value for name in names if (value := os.environ.get(name, "").strip()) and not fits(value)}
    if odd:
        found = ", ".join(f"{name}={printable(value)}" for name, value in odd.items())
        return "note", f"{found} makes no sense with {numbers.counted(usable, 'usable core')}", f"unset {' '.join(odd)}"
    return "ok", "one a trial, unless --threads says otherwise", ""


def memory() -> Finding:
    """How much memory there is, or a container allows."""
    total, free = machine.memory_gib()
    if total is None:
        return "ok", "this system does not tell", ""
    found = f"{total:.1f} GiB" + (f", {free:.1f} free" if free is not None else "")
    if total < MIN_MEMORY_GIB or (free is not None and free < MIN_FREE_GIB):
        return "note", found, "--workers 1, if a trial is killed"
    return "ok", found, ""


def folder(wanted: Path, option: str) -> Finding:
    """Whether a file can be written there (it is tried), or a folder made there, and how much room is left."""
    shown = printable(str(wanted))
    place = wanted.absolute()
    while not os.path.lexists(place) and place != place.parent:
        place = place.parent
    try:
        if not place.is_dir():
            raise NotADirectoryError(0, f"{printable(str(place))} is not a folder")
        with tempfile.NamedTemporaryFile(dir=place, prefix=".alexctl-doctor-") as file:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
        free = shutil.disk_usage(place).free / GIB
    except OSError as error:
        found = f"{shown} cannot be written: {error.strerror or error}"
        return "fail", found, f"choose another place with {option}, or mend this one"
    found = f"{shown} {'can be written' if place == wanted.absolute() else 'can be made'}, {free:.1f} GiB free"
    if free < MIN_FREE_GIB:
        return "note", found, f"make room there, or choose another place with {option}"
    return "ok", found, ""


def data(root: Path) -> Finding:
    """Which data sets lie below the root; only CIFAR-10 is missed, since Figure 1 was measured on it."""
    states = {row["name"]: row["state"] for row in import_module("alexctl.data.sources").list_sources(root)}
    found = ", ".join(f"{printable(name)} {state}" for name, state in states.items())
    if states["cifar10"] in ("missing", "half fetched"):
        return "note", found, "alexctl data fetch cifar10   (the demo does without; so does --data imagefolder:PATH)"
    return "ok", found, ""


def terminal() -> Finding:
    """Whether what is printed may hold more than ASCII."""
    encoding = getattr(sys.stdout, "encoding", None)
    if not encoding:
        return "ok", "no terminal", ""
    if codecs.lookup(encoding).name == "utf-8":
        return "ok", "UTF-8", ""
    return "note", encoding, "use a UTF-8 locale, or set PYTHONIOENCODING=utf-8; else some signs show as ?"


def _root(option: Path | None) -> Path:
    return import_module("alexctl.data.sources").data_root(option)


def _import(name: str):
    """Import with its warnings kept off the screen; raises whatever the package raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return import_module(name)


def _first_line(error: Exception | str) -> str:
    lines = str(error).strip().splitlines() or [""]
    line = printable(lines[0])[:200]
    if isinstance(error, str | RuntimeError):
        return line
    return f"{type(error).__name__}: {line}"


def version(package: str) -> str | None:
    """The version installed here; None when there is none."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def needs(package: str) -> dict[str, str]:
    """What a package's metadata asks for, without extras: name -> '>=1,<2'; empty when it is not installed."""
    try:
        lines = metadata.requires(package) or []
    except metadata.PackageNotFoundError:
        return {}
    found = [re.match(r"([\w.-]+)\s*(?:\[[^]]*\])?\s*\(?([^;)]*)", line) for line in lines if "extra ==" not in line]
    return {m[1].lower(): m[2].replace(" ", "") for m in found if m}


def misfit(package: str, wanted: str) -> str | None:
    """What is wrong with an installed package, if something is."""
    have = version(package)
    if have is None:
        return f"{package} is missing"
    return None if within(have, wanted) else f"{package} {have} is here, {wanted} is needed"


def within(version: str, wanted: str) -> bool:
    """Whether a release satisfies '>=1.2,<3'; suffixes (rc1, +cpu) are not looked at, nor any other operator."""

    def release(text: str) -> tuple[int, ...]:
        numbers = [int(n) for n in re.match(r"\d+(?:\.\d+)*", text)[0].split(".")]
        while len(numbers) > 1 and numbers[-1] == 0:
            numbers.pop()
        return tuple(numbers)

    have = release(version)
    for operator, bound in re.findall(r"(==|>=|<=|<|>)\s*(\d[^,\s*]*)(?=,|$|\s)", wanted):
        want = release(bound)
        if not {"==": have == want, ">=": have >= want, "<=": have <= want, "<": have < want, ">": have > want}[
            operator
        ]:
            return False
    return True
