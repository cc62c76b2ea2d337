"""An operation on a file of the results fails, once or from then on, each of them in turn: one line, and nothing is lost."""

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alexctl.errors import UserError
from chaos import inline, tally
from chaos.harness import assert_same, torn
from chaos.inline import ablate
from chaos.shim import Operation, watched

ERRORS = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EACCES)


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Iterator[Path]:
    """A folder with the campaign's file in it."""
    folder = tmp_path_factory.mktemp("io-errors").resolve()
    with pytest.MonkeyPatch.context() as patch:
        inline.prepare(folder, patch)
        yield folder


@pytest.fixture(scope="module")
def undisturbed(here, tiny_root) -> Path:
    """The campaign without any fault."""
    ablate(here / "undisturbed", tiny_root)
    return here / "undisturbed" / "small"


@pytest.fixture(scope="module")
def begun(here, tiny_root, undisturbed) -> Path:
    """The campaign as a disk has it that failed when the first trial had its checkpoint."""
    fault = Fault(lambda operation: operation.what == ".weights.safetensors", lasting=True)
    with watched(here / "begun", fault), pytest.raises(UserError):
        ablate(here / "begun", tiny_root)
    assert len([*(here / "begun").rglob("checkpoint.pt")]) == 1
    return here / "begun"


class Fault:
    """Fails the first operation that `when` tells of, or with `lasting` that one and whatever comes after it."""

    def __init__(self, when: Callable[[Operation], bool], *, error: int = errno.EIO, lasting: bool = False):
        self.when, self.error, self.lasting = when, error, lasting
        self.hit: Operation | None = None
        self.kept: dict[Path, bytes] = {}  # files of before that no fault may take away

    def __call__(self, operation: Operation) -> None:
        if self.hit is None and self.when(operation):
            self.hit, self.kept = operation, kept(operation.folder)
        elif self.hit is None or not self.lasting:
            return
        raise OSError(self.error, os.strerror(self.error), str(operation.path))


def kept(results: Path) -> dict[Path, bytes]:
    """The rows and the state of each trial that is done, and the checkpoint of each that is not."""
    found = {}
    for trial in results.glob("small/trials/*"):
        done = '"done"' in text(trial / "status.json")
        names = ("rows.csv", "status.json") if done else ("checkpoint.pt",)
        found |= {path: path.read_bytes() for name in names if (path := trial / name).exists()}
    return found


def text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_every_operation_fails_once_or_from_then_on(here, tiny_root, undisturbed, begun):
    """From nothing, and from a checkpoint as far as the first trial's next; every other fault lasts."""
    lost = []
    for start in (None, begun):
        for number, at in enumerate(operations(here, tiny_root, start)):
            lasting, error = bool(number % 2), ERRORS[number % len(ERRORS)]
            results = here / f"{'begun' if start else 'new'}-{number}"
            if start:
                shutil.copytree(start, results)
            fault = Fault(lambda operation, at=at: operation.where == at, error=error, lasting=lasting)
            name = f"{os.strerror(error)}, {'lasting' if lasting else 'once'}"
            tally.tried(name)
            if problem := disturbed(results, tiny_root, fault) or gone_on_with(results, tiny_root, undisturbed):
                lost.append(f"{name}, at {' '.join(at)}: {problem}")
            else:
                tally.survived(name)
            shutil.rmtree(results, ignore_errors=True)
    assert not lost, "\n".join(lost)


def operations(here: Path, root: Path, start: Path | None) -> list[tuple[str, str, str]]:
    """What a campaign does with files, each thing once; from a start only what it does until the next checkpoint."""
    results, done = here / "recorded", []
    if start:
        shutil.copytree(start, results)
    with watched(results, done.append):
        ablate(results, root)
    shutil.rmtree(results)
    places = list(dict.fromkeys(operation.where for operation in done))
    assert len(places) > 200
    checkpoint = next(i for i, (kind, what, _) in enumerate(places) if (kind, what) == ("replace", "checkpoint.pt"))
    return places[: checkpoint + 1] if start else places


def disturbed(results: Path, root: Path, fault: Fault) -> str | None:
    """Runs the campaign with a fault; what is wrong with how that ended or with what it left, None if nothing is."""
    try:
        with watched(results, fault):
            result = ablate(results, root)
    except UserError as error:
        if error.exit_code != 1 or len(error.faults) != 1 or "delete" in str(error):
            return f"exit code {error.exit_code}: {error}"
    except Exception as error:
        return f"a traceback: {error!r}"
    else:
        if result.failed:
            return f"a failed trial: {result.failed[0].status['error']}"
    if fault.hit is None:
        return "nothing of the kind was done"
    after = kept(results)
    gone = [path.name for path, content in fault.kept.items() if after.get(path) != content]
    if gone := [name for name in gone if name != "checkpoint.pt" or not after]:
        return f"lost: {', '.join(gone)}"
    return "; ".join(torn(results)) or None


def gone_on_with(results: Path, root: Path, undisturbed: Path) -> str | None:
    """Runs the campaign once more, without a fault; what is wrong then, None if nothing is."""
    try:
        ablate(results, root)
        assert_same(results / "small", undisturbed)
    except (Exception, AssertionError) as error:
        return f"gone on with: {error!r}"
    return None
