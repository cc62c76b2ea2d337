"""Thousands of trials in one folder: nothing that is done at every event, or for every report, is quadratic in them."""

import shutil

import pytest
from conftest import TINY

from alexctl.ablation.parse import parse
from alexctl.campaign.campaign import Campaign
from alexctl.store import records
from alexctl.verdicts.compare import compare
from tools import upkeep


@pytest.mark.slow
def test_a_report_and_a_resume_are_linear(tmp_path):
    """400 finished trials cost at most seven times what 100 do (four times, and what a busy machine adds).

    Buys: nobody's folder of results becomes too large to look at. About 10 s.
    """
    took = {}
    for count in (100, 400):
        home = upkeep.many(tmp_path / str(count), count)
        upkeep.report(home)  # figures are drawn once, whatever comes after
        took[count] = [min(upkeep.seconds_of(work, home) for _ in range(3)) for work in (upkeep.resume, upkeep.report)]
    for few, many in zip(*took.values(), strict=True):
        assert many < 7 * few, took
    assert sum(took[400]) < 10, took


def test_what_upkeep_is_measured_on_is_a_campaign_of_today(tmp_path):
    """Resuming it reads every trial; of an older plan nothing is ever ready, whatever its folder lacks."""
    home = upkeep.many(tmp_path / "20", 20)
    upkeep.resume(home)
    campaign = Campaign.open(home)
    assert len(campaign.evidence().judged) == 20
    assert all(line["n"] == 10 for line in compare(campaign.evidence()))
    shutil.rmtree(next((home / "trials").iterdir()))
    assert len(Campaign.open(home).ready()) == 1


def test_asking_what_is_ready_is_cheap(tmp_path):
    """It is asked at every event of a campaign, so that 2,000 trials ask 2,000 times: 5 ms each is ten seconds of it."""
    base = {**TINY["base"], "seeds": 1000}
    ablation, _ = parse({**TINY, "base": base}, name="tiny", overrides={}, smoke=False)
    campaign = Campaign(ablation, data_name="shapes", data_digest="0" * 16, num_classes=10, folder=tmp_path)
    for job in campaign.ready():
        campaign.records[job.name] = records.TrialRecord(
            folder=tmp_path / job.name, arm=job.arm, seed=job.seed, hash8=job.setting.hash8, phase="final",
            status={"state": "done"},
        )  # fmt: skip
    assert min(upkeep.seconds_of(lambda _: campaign.ready(), tmp_path) for _ in range(5)) < 0.02
