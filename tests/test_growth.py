"""Thousands of trials in one folder: nothing that is done at every event, or for every report, is quadratic in them."""

import json
import math
import time
from pathlib import Path

import pytest
from conftest import TINY

from alexctl import results
from alexctl.ablation import parse
from alexctl.campaign import Campaign
from alexctl.report import places
from alexctl.report.rebuild import rebuild_all


def lay_down(folder: Path, num_trials: int) -> Campaign:
    """A campaign whose trials are all done, 24 rows each."""
    base = {**TINY["base"], "seeds": num_trials // 2, "epochs": 60}
    ablation, faults = parse({**TINY, "base": base}, name="tiny", overrides={}, smoke=False)
    assert not faults, faults
    about = {"data_name": "shapes", "data_digest": "0" * 16, "num_classes": 10}
    home = results.make_folder(folder / results.campaign_name(ablation, "shapes"))
    campaign = Campaign(ablation, **about, folder=home)
    campaign.write_plan({})
    for job in campaign.ready():
        trial = results.make_folder(home / "trials" / job.name)
        speed = (2 if job.arm == "relu" else 1) * (1 + job.seed % 7 / 10)
        rows = [
            {"epoch": step / 4, "step": step, "train_loss": 1.0, "train_error": 0.9 * math.exp(-0.1 * step * speed),
             "test_error": None, "top5_error": None, "train_seconds": 2.0 * step, "eval_seconds": 0.5}
            for step in range(1, 25)
        ]  # fmt: skip
        head = {"schema": 1, "arm": job.arm, "phase": job.phase, "seed": job.seed, "setting": job.setting.flat()}
        status = {
            "schema": 1, "state": "done", "num_rows": len(rows), "rows_digest": results.rows_digest(rows),
            "epochs_run": 6.0, "parameters": 89578, "error": None,
        }  # fmt: skip
        for name, content in (
            ("setting.json", json.dumps(head)),
            ("rows.csv", results.csv_text(results.ROW_COLUMNS, rows)),
            ("status.json", json.dumps(status)),
            ("env.json", json.dumps({"schema": 1, "device": "cpu"})),
        ):
            (trial / name).write_text(content, encoding="utf-8")
    return campaign


def seconds(work) -> float:
    """Processor seconds, however busy the machine is."""
    before = time.process_time()
    work()
    return time.process_time() - before


@pytest.mark.slow
def test_a_report_and_a_resume_are_linear(tmp_path):
    """400 finished trials cost at most seven times what 100 do (four times, and what a busy machine adds).

    Buys: nobody's folder of results becomes too large to look at. About 10 s.
    """
    took = {}
    for count in (100, 400):
        folder = tmp_path / str(count)
        lay_down(folder, count)
        (home,) = results.campaigns(folder)
        rebuild_all(folder)  # figures are drawn once, whatever comes after
        took[count] = (
            seconds(lambda home=home: Campaign.open(home).ready()),
            seconds(lambda folder=folder: (rebuild_all(folder), places.write_page(folder))),
        )
    for few, many in zip(*took.values(), strict=True):
        assert many < 7 * few, took
    assert sum(took[400]) < 10, took


def test_asking_what_is_ready_is_cheap(tmp_path):
    """It is asked at every event of a campaign, so that 2,000 trials ask 2,000 times: 5 ms each is ten seconds of it."""
    base = {**TINY["base"], "seeds": 1000}
    ablation, _ = parse({**TINY, "base": base}, name="tiny", overrides={}, smoke=False)
    campaign = Campaign(ablation, data_name="shapes", data_digest="0" * 16, num_classes=10, folder=tmp_path)
    for job in campaign.ready():
        campaign.records[job.name] = results.TrialRecord(
            folder=tmp_path / job.name, arm=job.arm, seed=job.seed, hash8=job.setting.hash8, phase="final",
            status={"state": "done"},
        )  # fmt: skip
    assert min(seconds(campaign.ready) for _ in range(5)) < 0.02
