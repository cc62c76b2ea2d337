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
from importlib import import_module
from pathlib import Path

from alexctl import machine, numbers
from alexctl.cli.packages import REINSTALL_PAIR, Finding, first_line, others, quiet_import, torch_pair
from alexctl.errors import printable

GIB = 2**30
MIN_PYTHON = (3, 11)
MIN_MEMORY_GIB = 4.0
MIN_FREE_GIB = 1.0  # of disk, and of memory


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that was checked. `state`: ok; note (works, but worth knowing); fail (something will not work)."""

    name: str
    state: str
    found: str
    action: str = ""


def checks(results: Path, root: Path | None) -> list[Check]:
    """Everything worth checking, in the order a person would mend it; never raises, whatever is broken.

    `results` is where results will be written, `root` where data lies (None: where it does by
    default); neither need exist, and neither is made.
    """
    every: dict[str, Callable[[], Finding]] = {
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
    for name, check in every.items():
        try:
            state, what, action = check()
        except Exception as error:
            # A doctor must not die of what it finds; what broke here is told by another check, or is our bug.
            state, what, action = "note", f"could not be checked: {first_line(error)}", ""
        found.append(Check(name=name, state=state, found=what, action=action))
    return found


def shown(found: list[Check], *, as_json: bool) -> bool:
    """Prints the checks; False when one fails."""
    from alexctl.cli.console import table

    table(
        [{"check": c.name, "state": c.state, "found": c.found, "next": c.action or ""} for c in found], as_json=as_json
    )
    return all(check.state != "fail" for check in found)


def python() -> Finding:
    """Whether the interpreter is new enough."""
    found = f"{platform.python_version()} ({platform.python_implementation()}, {platform.machine()})"
    if sys.version_info < MIN_PYTHON:
        return "fail", found, "install Python 3.11 or later, then alexctl into it"
    return "ok", found, ""


def device() -> Finding:
    """Which device `--device auto` takes, and whether it computes."""
    try:
        torch = quiet_import("torch")
    except Exception:
        return "note", "not known while torch cannot be imported", ""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        chosen = import_module("alexctl.training.device").choose_device("auto")
    if chosen.type == "cpu":
        if old_driver := [str(w.message) for w in caught if "driver" in str(w.message).lower()]:
            return "note", f"the GPU cannot be used: {first_line(old_driver[0])}", "update the NVIDIA driver"
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
        found = f"{shown} is there but does not compute: {first_line(error)}"
        return "fail", found, "--device cpu works; is the GPU full, or too old for this torch?"
    if chosen.type == "cuda" and import_module("alexctl.nets.response_norm").kernels_for(chosen) is None:
        return (
            "note",
            f"{shown}; Triton builds no kernels for it",
            "response normalisation is slower; is gcc installed?",
        )
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
