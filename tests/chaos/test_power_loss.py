"""The power goes: what was not synced is gone, the names of files maybe too; the same command ends with the same numbers."""

import os
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from alexctl.store import records
from chaos import inline, tally
from chaos.harness import assert_same
from chaos.inline import ablate
from chaos.shim import Operation, watched

SEED = int(os.environ.get("FAULTS_SEED", "2012"))
ORDERED = "power loss, names kept in order"
UNORDERED = "power loss, any name since the last sync of its folder lost"
MOMENTS = 40  # of each kind


@dataclass(eq=False)
class File:
    """What a disk has of a file, whatever its name."""

    synced: bytes = b""


@dataclass
class Disk:
    """What a disk would have of a folder, were the power to go, as far as those may rely on it who wrote there."""

    folder: Path
    names: dict[Path, list[File | None]] = field(
        default_factory=dict
    )  # which the disk may have; the last is the newest
    folders: dict[Path, bool] = field(default_factory=dict)  # whether the disk has its name for certain

    def now(self, path: Path) -> File | None:
        return self.names.get(path, [None])[-1]

    def name(self, path: Path, file: File | None) -> None:
        self.names.setdefault(path, [None]).append(file)

    def hear(self, operation: Operation) -> None:
        """An operation that is about to be done."""
        kind, path = operation.kind, operation.path
        if kind == "mkdir":
            self.folders.setdefault(path, False)
        elif kind == "create" and self.now(path) is None:
            self.name(path, File())
        elif kind == "unlink" and self.now(path) is not None:
            self.name(path, None)
        elif kind == "replace":
            self.name(path, self.now(operation.source))
            self.name(operation.source, None)
        elif kind == "fsync" and path.is_dir():
            self.folders |= {inner: True for inner in self.folders if inner.parent == path}
            self.names |= {inner: files[-1:] for inner, files in self.names.items() if inner.parent == path}
        elif kind == "fsync":
            self.now(path).synced = path.read_bytes()

    def in_order(self) -> dict[Path, bytes | None]:
        """What a disk has that keeps the order of names (ext4, XFS, APFS, NTFS); None for a folder."""
        files = {path: files[-1].synced for path, files in self.names.items() if files[-1]}
        return dict.fromkeys(self.folders) | files

    def out_of_order(self, draw: random.Random) -> dict[Path, bytes | None]:
        """What a disk may have that keeps no more than it must: of each name what it was at the last sync, or since."""
        kept = {path for path, certain in self.folders.items() if certain or draw.random() < 0.8}
        kept = {path for path in kept if all(up in kept for up in path.parents if up in self.folders)}
        found: dict[Path, bytes | None] = dict.fromkeys(kept)
        for path, files in self.names.items():
            if path.parent in kept and (file := draw.choice(files)):
                found[path] = file.synced
        return found


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Iterator[Path]:
    """A folder with the campaign's file in it: a search of two rates, two arms, two seeds to report."""
    folder = tmp_path_factory.mktemp("power-loss").resolve()
    with pytest.MonkeyPatch.context() as patch:
        inline.prepare(folder, patch, lr="search", lr_grid=[0.01, 0.03], lr_widenings=0, search_seeds=1, epochs=2)
        yield folder


class Moments:
    """All that a disk may have of a campaign that runs: in order at every change, out of order at every operation."""

    def __init__(self, folder: Path):
        self.disk, self.draw = Disk(folder), random.Random(SEED)
        self.in_order: list[dict] = []
        self.out_of_order: list[dict] = []

    def __call__(self, operation: Operation) -> None:
        if operation.kind not in ("open", "write"):
            self.in_order.append(self.disk.in_order())
            self.out_of_order.append(self.disk.out_of_order(self.draw))
        self.disk.hear(operation)


@pytest.fixture(scope="module")
def moments(here, tiny_root) -> Moments:
    """Of the campaign that nobody disturbs."""
    tally.note(f"moments of power loss drawn with FAULTS_SEED={SEED}")
    found = Moments(here / "undisturbed")
    with watched(here / "undisturbed", found):
        ablate(here / "undisturbed", tiny_root)
    return found


@pytest.mark.parametrize("kind", [ORDERED, UNORDERED])
def test_gone_on_with_after_a_power_loss(here, tiny_root, moments, kind):
    states = moments.in_order if kind == ORDERED else moments.out_of_order
    chosen = sorted(random.Random(SEED).sample(range(len(states)), min(MOMENTS, len(states))))
    lost = []
    for number in chosen:
        results = here / f"{kind.split()[3]}-{number}"
        lay_down(states[number], here / "undisturbed", results)
        tally.tried(kind)
        if problem := half_done(results) or gone_on_with(results, tiny_root, here / "undisturbed" / "small"):
            lost.append(f"{number} of {len(states)}: {problem}")
        else:
            tally.survived(kind)
            shutil.rmtree(results)
    assert not lost, "\n".join(lost)
    assert len(chosen) == MOMENTS


def lay_down(state: dict[Path, bytes | None], folder: Path, results: Path) -> None:
    """What the disk has, as a folder."""
    for path, content in sorted(state.items()):
        target = results / path.relative_to(folder)
        if content is None:
            target.mkdir(parents=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


def half_done(results: Path) -> str | None:
    """The first trial that counts as done although rows of it are missing."""
    for record in records.trials_of(results / "small"):
        if record.finished and not record.problem and len(record.rows) != record.status["num_rows"]:
            return f"{record.folder.name} is done and lacks rows"
    return None


def gone_on_with(results: Path, root: Path, undisturbed: Path) -> str | None:
    """Runs the campaign to its end; what is wrong with that, None if nothing is."""
    try:
        result = ablate(results, root)
        assert_same(results / "small", undisturbed)
    except (Exception, AssertionError) as error:
        return repr(error)
    return f"failed: {result.failed[0].status['error']}" if result.failed else None
