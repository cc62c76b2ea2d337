"""Results that were moved are as good as before; results that were changed are named, and not averaged in."""

import shutil

import pytest

from chaos import tally
from chaos.harness import alexctl, change_json, copy, one_line, words

MOVED = "a results folder that was moved"
TABLES = ("trials.csv", "curves.csv", "summary.csv", "verdict.json")


def contents(campaign):
    return {name: (campaign / name).read_bytes() for name in TABLES}


def test_moved_and_reported(undisturbed, place):
    """No file in it knows where it lies, and the tables are rebuilt to the byte, without the data or the file."""
    tally.tried(MOVED)
    copy(undisturbed.campaign.parent, place / "results")
    before = contents(place / "results" / "small")
    shutil.move(place / "results", place / "else where")
    for path in (place / "else where").rglob("*"):
        if path.suffix in (".csv", ".json", ".svg"):
            assert str(undisturbed.campaign.parent.parent) not in path.read_text(), path
    for name in TABLES:
        (place / "else where" / "small" / name).unlink()
    ended = alexctl(place, "report", "--results", "else where")
    assert ended.code == 0, ended.err
    assert contents(place / "else where" / "small") == before
    tally.survived(MOVED)


def other_number(trial):
    text = (trial / "rows.csv").read_text()
    first = text.splitlines()[1].split(",")
    assert first[3] != "0.125"
    edited = ",".join([*first[:3], "0.125", *first[4:]])
    (trial / "rows.csv").write_text(text.replace(",".join(first), edited, 1))


def other_order(trial):
    header, first, second, *rest = (trial / "rows.csv").read_text().splitlines()
    (trial / "rows.csv").write_text("\n".join([header, second, first, *rest]) + "\n")


def row_left_out(trial):
    header, _, *rest = (trial / "rows.csv").read_text().splitlines()
    (trial / "rows.csv").write_text("\n".join([header, *rest]) + "\n")


def other_image(trial):
    bits = bytearray((trial / "correct.bits").read_bytes())
    bits[0] ^= 0b10000000
    (trial / "correct.bits").write_bytes(bits)


@pytest.mark.parametrize(
    ("fault", "change", "named"),
    [
        ("a number in rows.csv edited", other_number, "rows.csv was changed after the trial ended"),
        ("a test image in correct.bits edited", other_image, "correct.bits was changed after the trial ended"),
        ("rows out of order", other_order, "rows.csv line 3 is out of order"),
        ("a row left out", row_left_out, "rows where status.json counts"),
        (
            "a setting.json changed",
            lambda trial: change_json(trial / "setting.json", setting__lr=0.5),
            "setting.json no longer matches the hash in the folder's name",
        ),
        (
            "a newer schema",
            lambda trial: change_json(trial / "status.json", schema=99),
            "status.json was written by a newer alexctl (schema 99)",
        ),
        (
            "rows.csv of another trial",
            lambda trial: shutil.copy(next(trial.parent.glob("relu-s1-*")) / "rows.csv", trial / "rows.csv"),
            "rows.csv was changed after the trial ended",
        ),
    ],
)  # fmt: skip
def test_changed_by_hand(undisturbed, place, fault, change, named):
    campaign = copy(undisturbed.campaign, place / "results" / "small")
    before = contents(campaign)
    (trial,) = campaign.glob("trials/relu-s0-*")
    tally.tried(fault)
    change(trial)
    ended = alexctl(place, "report", "--results", "results")
    line = one_line(ended)
    assert ended.code == 2
    assert f"small/trials/{trial.name}: " in line
    assert named in line
    assert contents(campaign) == before
    tally.survived(fault)


def test_a_newer_plan(tiny_root, undisturbed, place):
    """It is neither read as if it were ours nor written over."""
    campaign = copy(undisturbed.campaign, place / "results" / "small")
    before = contents(campaign)
    tally.tried("a newer schema")
    change_json(campaign / "plan.json", schema=99)
    newer = (campaign / "plan.json").read_bytes()
    for command in (["report", "--results", "results"], words(tiny_root)):
        line = one_line(alexctl(place, *command))
        assert "plan.json was written by a newer alexctl (schema 99); update this one" in line
        assert contents(campaign) == before
        assert (campaign / "plan.json").read_bytes() == newer
    tally.survived("a newer schema")


def test_a_changed_trial_stops_the_same_command_too(tiny_root, undisturbed, place, completes):
    """And the advice in its line works: with that folder gone, the command runs the trial anew."""
    campaign = copy(undisturbed.campaign, place / "results" / "small")
    (trial,) = campaign.glob("trials/relu-s0-*")
    tally.tried("a number in rows.csv edited")
    other_number(trial)
    line = one_line(alexctl(place, *words(tiny_root)))
    assert "delete that folder and run the same command again to redo it" in line
    shutil.rmtree(trial)
    completes(place)
    tally.survived("a number in rows.csv edited")
