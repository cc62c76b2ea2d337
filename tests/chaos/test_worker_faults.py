"""Trials that take their worker down or raise: each fails alone, with its reason and its log, and can be run again."""

import csv
import json

from chaos import tally
from chaos.harness import alexctl, states, torn, words

AT = {
    "tanh-s0-": "SIGSEGV",
    "relu-s1-": "SIGKILL",
    "tanh-s1-": "broken on purpose",
}
REASONS = {
    "tanh-s0-": "the worker process was killed by SIGSEGV",
    "relu-s1-": "the worker process was killed by SIGKILL (by a person, or by the system for want of memory)",
    "tanh-s1-": "RuntimeError: broken on purpose",
}
FAULTS = {
    "tanh-s0-": "a worker that segfaults",
    "relu-s1-": "a worker that kills itself",
    "tanh-s1-": "an exception in a trial",
}


def test_three_trials_fail_alone(tiny_root, place, completes):
    for fault in FAULTS.values():
        tally.tried(fault)
    at = json.dumps([[trial, "rows.csv", what] for trial, what in AT.items()])
    ended = alexctl(place, *words(tiny_root), sabotage={"FAULTS_AT": at})
    assert ended.code == 1, ended.err
    assert "Traceback" not in ended.err + ended.out
    campaign = place / "results" / "small"
    assert torn(campaign) == []
    failed = sorted(name for name, state in states(campaign).items() if state == "failed")
    assert [name[:8] for name in failed] == sorted(AT)
    assert [state for name, state in states(campaign).items() if name.startswith("relu-s0-")] == ["done"]
    with (campaign / "trials.csv").open(newline="", encoding="utf-8") as file:
        lines = {line["trial"]: line for line in csv.DictReader(file)}
    for name in failed:
        log = f"trials/{name}/stderr.log"
        assert (
            f"{name} failed: {REASONS[name[:8]]}; log: results/small/{log}; `--retry failed` runs it again" in ended.out
        )
        line = lines[name]
        assert (line["status"], line["error"], line["log"]) == ("failed", REASONS[name[:8]], log)
        assert (campaign / log).is_file()
    raised = next(name for name in failed if name.startswith("tanh-s1-"))
    assert "Traceback" in (campaign / "trials" / raised / "stderr.log").read_text()
    assert sum(line["status"] == "failed" for line in lines.values()) == len(AT)
    completes(place, "--retry", "failed")
    for fault in FAULTS.values():
        tally.survived(fault)


def test_a_search_trial_that_segfaults_holds_its_arm_back_only(tiny_root, place, completes):
    """The arm whose search lacks a trial is not judged on half a search; the other arm's trials are all run."""
    tally.tried("a worker that segfaults in the search")
    at = json.dumps([["relu-s10000-", "rows.csv", "SIGSEGV"]])
    ended = alexctl(place, *words(tiny_root), sabotage={"FAULTS_AT": at})
    assert ended.code == 1, ended.err
    assert "Traceback" not in ended.err + ended.out
    found = states(place / "results" / "small")
    assert "failed" in [state for name, state in found.items() if name.startswith("relu-s10000-")]
    assert not [name for name in found if name.startswith(("relu-s0-", "relu-s1-"))]
    assert [state for name, state in found.items() if name.startswith(("tanh-s0-", "tanh-s1-"))] == ["done"] * 2
    assert "Not judged: the learning-rate search of relu lacks a trial that failed." in ended.out
    completes(place, "--retry", "failed")
    tally.survived("a worker that segfaults in the search")
