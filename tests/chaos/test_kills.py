"""SIGKILL at random moments, to the parent, to a worker, to both: the same command goes on, and no number moves."""

import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from chaos import tally
from chaos.harness import (
    FINAL,
    SEARCH,
    alexctl,
    assert_same,
    at_work,
    finals_done,
    finish,
    start,
    torn,
    wait_for,
    wait_until_left,
    words,
    workers_of,
    write_ablation,
)

SEED = int(os.environ.get("FAULTS_SEED", "2012"))
CAMPAIGNS = 4
KILLS_EACH = 13
AT_ONCE = 2  # so that one starts while the other trains


class Kill(NamedTuple):
    """One that hit: who, and what the campaign was at."""

    who: str
    phase: str


def test_killed_at_random_moments(tiny_root, undisturbed, tmp_path):
    tally.note(f"moments of the SIGKILLs drawn with FAULTS_SEED={SEED}")
    folders = [tmp_path.resolve() / str(number) for number in range(CAMPAIGNS)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        waiting = [pool.submit(torment, folder, tiny_root, undisturbed) for folder in folders]
    problems = {folder.name: waited.exception() for folder, waited in zip(folders, waiting, strict=True)}
    assert {name: problem for name, problem in problems.items() if problem} == {}
    assert sum(len(waited.result()) for waited in waiting) >= 50


def torment(folder: Path, root: Path, undisturbed) -> list[Kill]:
    """One campaign, killed again and again, then left alone to its end; AssertionError where that differs."""
    folder.mkdir()
    write_ablation(folder / "small.toml")
    draw = random.Random(SEED + int(folder.name))
    kills: list[Kill] = []
    killed_while_starting(folder, root, draw, kills, undisturbed)
    for _ in range(2):
        killed_while_running(folder, root, draw, kills)
    killed_at_the_end(folder, root, draw, kills, undisturbed)
    while len(kills) < KILLS_EACH:
        killed_while_starting(folder, root, draw, kills, undisturbed)
    for _ in range(6):  # the first time may find what a killed worker left as failed
        ended = alexctl(folder, *words(root, "--retry", "failed"))
        assert "Traceback" not in ended.err + ended.out, ended.err
        if ended.code == 0:
            break
    assert ended.code == 0, (ended.err, kills)
    assert_same(folder / "results" / "small", undisturbed.campaign)
    wait_until_left(folder)
    for kill in kills:
        tally.survived(_name(kill))
    return kills


def _name(kill: Kill) -> str:
    return f"SIGKILL while {kill.phase}: {kill.who}"


def killed_while_starting(folder: Path, root: Path, draw: random.Random, kills: list[Kill], undisturbed) -> None:
    started = start(folder, *words(root, "--retry", "failed"))
    time.sleep(draw.uniform(0.05, undisturbed.first_trial))
    kill(started, draw.choice(["parent", "both"]), "starting", folder, kills)


def killed_while_running(folder: Path, root: Path, draw: random.Random, kills: list[Kill]) -> None:
    """Three workers in the search, two in the trials that count, then the parent or everybody, in one run."""
    campaign = folder / "results" / "small"
    started = start(folder, *words(root, "--retry", "failed"))
    for phase, seeds in 3 * [("searching", SEARCH)] + 2 * [("training", FINAL)]:
        if wait_for(lambda seeds=seeds: at_work(campaign, started.began, seeds=seeds), started):
            time.sleep(draw.uniform(0, 1.0))
            kill(started, "worker", phase, folder, kills, draw)
    time.sleep(draw.uniform(0, 2.0))
    kill(started, draw.choice(["parent", "both"]), "training", folder, kills)


def killed_at_the_end(folder: Path, root: Path, draw: random.Random, kills: list[Kill], undisturbed) -> None:
    """Between the end of the last trial and that of the process: tables, figures, words."""
    campaign = folder / "results" / "small"
    started = start(folder, *words(root, "--retry", "failed"))
    if wait_for(lambda: finals_done(campaign), started):
        time.sleep(draw.uniform(0, undisturbed.end - undisturbed.last_trial))
        kill(started, "parent", "ending", folder, kills)
    else:
        assert finish(started).code in (0, 1)


def kill(started, who: str, phase: str, folder: Path, kills: list[Kill], draw: random.Random | None = None) -> None:
    """Kills who is alive of those named; what lies in the folder at that instant has to be whole."""
    process = started.process
    workers = workers_of(process.pid)
    victims = [draw.choice(workers)] if who == "worker" and workers else []
    if who in ("parent", "both") and process.poll() is None:
        victims = [process.pid, *(workers if who == "both" else [])]
        who = who if len(victims) > 1 else "parent"
    if not victims:
        return
    tally.tried(_name(Kill(who, phase)))
    kills.append(Kill(who, phase))
    for pid in victims:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    if process.pid in victims:
        process.wait(10)
    assert torn(folder / "results") == [], kills
