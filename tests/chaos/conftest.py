"""What the fault tests lean on: one undisturbed run to compare with, and the table at the end."""

import time
from pathlib import Path
from typing import NamedTuple

import pytest

from chaos import tally
from chaos.harness import (
    PROC,
    alexctl,
    assert_same,
    at_work,
    finals_done,
    finish,
    start,
    strays,
    torn,
    wait_for,
    words,
    write_ablation,
)

HERE = Path(__file__).parent


class Undisturbed(NamedTuple):
    """The campaign nobody broke, and how many seconds after its start it did what."""

    campaign: Path
    first_trial: float
    last_trial: float
    end: float


def pytest_collection_modifyitems(items):
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.chaos)


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):  # one of two processes that share the suite
        session.config.workeroutput["faults"] = tally.as_plain()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    tally.add(getattr(node, "workeroutput", {}).get("faults", {}))


def pytest_terminal_summary(terminalreporter):
    if tally.TRIED or tally.IMPOSSIBLE:
        terminalreporter.section("faults")
        for line in tally.table():
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def undisturbed(tiny_root, tmp_path_factory) -> Undisturbed:
    """The campaign, run by two workers to its end without any fault."""
    if not PROC.is_dir():
        pytest.skip("the fault suite looks at processes through /proc")
    folder = tmp_path_factory.mktemp("undisturbed")
    write_ablation(folder / "small.toml")
    campaign = folder / "results" / "small"
    started = start(folder, *words(tiny_root))
    clock = []
    for condition in (lambda: at_work(campaign, started.began), lambda: finals_done(campaign)):
        assert wait_for(condition, started), started.err.read_text()
        clock.append(_seconds(started))
    ended = finish(started)
    assert ended.code == 0, ended.err
    assert torn(campaign) == strays(campaign) == []
    return Undisturbed(campaign, *clock, _seconds(started))


def _seconds(started) -> float:
    return time.time() - started.began


@pytest.fixture
def place(tmp_path) -> Path:
    """An empty folder with the campaign's file in it."""
    write_ablation(tmp_path / "small.toml")
    return tmp_path.resolve()


@pytest.fixture
def completes(tiny_root, undisturbed):
    """Gives the same command again, which has to finish the campaign with the undisturbed one's numbers."""

    def complete(folder: Path, *more: str, results: str = "results", **options) -> None:
        ended = alexctl(folder, *words(tiny_root, *more, results=results), **options)
        assert ended.code == 0, ended.err
        assert_same(folder / results / "small", undisturbed.campaign)

    return complete
