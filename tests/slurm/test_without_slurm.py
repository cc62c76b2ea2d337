"""What can be known without a cluster: words, limits, times, and what is said where there is none."""

import json
import sys

import pytest
import submitit
from conftest import tiny_ablation

from alexctl.ablation.measures import MEASURES
from alexctl.cli import on_slurm
from alexctl.cli.main import main
from alexctl.errors import UserError
from alexctl.slurm import cluster, submit
from alexctl.slurm.cluster import Partition, QueuedJob
from alexctl.store import layout, slurm_jobs
from alexctl.store.slurm_jobs import Submission


@pytest.fixture
def sent(tmp_path, tiny_root, monkeypatch):
    """The words of each job that would be submitted, on a cluster that takes 20 jobs and has an empty queue."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALEXCTL_DATA", str(tiny_root))
    found = []

    def keep(folder, words, known, others, jobs):
        found.append((words, jobs, known["time"]))
        return "7"

    main_one = Partition(name="main", minutes=30, is_default=True, is_up=True)
    monkeypatch.setattr(cluster, "require", lambda: None)
    monkeypatch.setattr(cluster, "partitions", lambda: {"main": main_one})
    monkeypatch.setattr(cluster, "most_in_an_array", lambda: 20)
    monkeypatch.setattr(cluster, "queue", lambda name, ids: [])
    monkeypatch.setattr(cluster, "refusal", lambda options: None)
    monkeypatch.setattr(submit, "_submit", keep)
    return found


def alexctl(*words, capsys):
    """(exit code, stdout, stderr) of `alexctl words`."""
    with pytest.MonkeyPatch.context() as patch, pytest.raises(SystemExit) as ended:
        patch.setattr(sys, "argv", ["alexctl", *words])
        main()
    return ended.value.code or 0, *capsys.readouterr()


def test_a_job_asks_what_was_asked_here(sent, tmp_path, tiny_root, capsys):
    """Everything that was typed and is a job's business, with paths that hold anywhere."""
    typed = ["ablate", "relu-vs-tanh", "--data", "shapes", "--seeds", "4", "--set", "lr=0.01", "--set", "epochs_after_target=0",
             "--precision", "float32", "--checkpoint-every", "5", "--keep-weights", "--retry", "failed", "--results", "there",
             "--on", "slurm", "--time", "20", "--quiet", "--json", "--detach"]  # fmt: skip
    code, out, err = alexctl(*typed, capsys=capsys)
    assert code == 0, err
    ((words, jobs, minutes),) = sent
    assert words == (
        "ablate", "relu-vs-tanh", f"--results={tmp_path}/there", f"--data-root={tiny_root}", "--data=shapes", "--device=cpu",
        "--workers=1", "--seeds=4", "--set=lr=0.01", "--set=epochs_after_target=0", "--precision=float32",
        "--retry=failed", "--checkpoint-every=5.0", "--keep-weights", "--no-wait",
    )  # fmt: skip
    assert (jobs, minutes) == (8, 20)
    assert json.loads(out) == {"folder": "there/relu-vs-tanh@shapes", "job": "7"}
    (kept,) = slurm_jobs.read(tmp_path / "there" / "relu-vs-tanh@shapes")
    assert kept == Submission(job_id="7", num_jobs=8, words=words, partition="main", minutes=20)
    assert kept.ids[0] == "7_0"


@pytest.mark.parametrize(
    ("words", "jobs"),
    [
        ((), 8),
        (("--jobs", "3"), 3),
        (("--jobs", "20"), 12),
        (("--workers", "4"), 3),
        (("--gpus-per-job", "2", "--lanes", "2"), 3),
        (("--seed-range", "2-3"), 4),
        (("--studies", "2", "--jobs", "20"), 20),
    ],
)
def test_no_more_jobs_than_have_work(sent, words, jobs, capsys):
    """Of relu-vs-tanh's 12 trials to report."""
    code, _, err = alexctl(
        "ablate", "relu-vs-tanh", "--data", "shapes", *words, "--on", "slurm", "--detach", capsys=capsys
    )
    assert code == 0, err
    assert sent[0][1] == jobs
    assert sent[0][2] == 30  # the partition's limit, under an hour
    assert ("--device=cuda" if "--gpus-per-job" in words else "--device=cpu") in sent[0][0]


def test_seconds_are_compared_in_one_job():
    which = tiny_ablation().model_copy(update={"measure": MEASURES["seconds_per_epoch"]})
    assert submit._jobs(submit.Request(), which, None) == (1, [])
    with pytest.raises(UserError, match="--jobs 2: seconds_per_epoch is compared within one run"):
        submit._jobs(submit.Request(jobs=2), which, None)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--partition", "gpu"), "--partition: is for jobs on a cluster; give --on slurm too"),
        (("--detach",), "--detach: is for jobs on a cluster; give --on slurm too"),
        (("--on", "slurm", "--cancel", "--detach"), "--cancel: can't be combined with --detach; give one of the two"),
        (("--on", "slurm", "--sbatch", "time=3"), "--sbatch time=3: give it as --time"),
        (("--on", "slurm", "--sbatch", "=x"), "--sbatch =x: write KEY=VALUE, such as --sbatch account=vision"),
        (("--on", "slurm", "--time", "soon"), "--time soon: should be minutes, H:MM:SS or D-HH:MM:SS, such as 8:00:00"),
        (("--on", "slurm", "--time", "31"), "--time 31: partition main allows 30 minutes at most"),
        (("--on", "slurm", "--jobs", "21"), "--jobs 21: this cluster takes 20 jobs in an array at most; give --jobs 12"),
        (("--on", "slurm", "--partition", "mian"), "--partition mian: no such partition, did you mean 'main'?"),
        (("--on", "slurm", "--cancel"), "--cancel: no jobs of relu-vs-tanh in results are in the queue"),
        (("--on", "slurm", "--results", "a%j"), "a%j/relu-vs-tanh@shapes: Slurm takes the % in it for a pattern"),
    ],
)  # fmt: skip
def test_what_can_not_be_meant(sent, words, line, capsys):
    code, _, err = alexctl("ablate", "relu-vs-tanh", "--data", "shapes", *words, capsys=capsys)
    assert code == 2
    assert err.splitlines()[-1].startswith(f"alexctl: {line}")
    assert not sent


def test_no_slurm_here(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    code, _, err = alexctl("ablate", "relu-vs-tanh", "--on", "slurm", capsys=capsys)
    assert (code, err) == (
        2,
        "alexctl: --on slurm: no `sbatch` on the path; run this on a login node of the cluster, or leave out --on to run here\n",
    )
    monkeypatch.setattr(cluster, "find_spec", lambda name: None)
    code, _, err = alexctl("ablate", "relu-vs-tanh", "--on", "slurm", capsys=capsys)
    assert (code, err) == (
        2,
        "alexctl: --on slurm: needs submitit, which is not installed; pip install 'alexctl[slurm]'\n",
    )


def test_jobs_in_the_queue_count(sent, monkeypatch, capsys):
    """The same command again submits what lacks; another question is refused while they are there."""
    words = ("ablate", "relu-vs-tanh", "--data", "shapes", "--on", "slurm", "--jobs", "3", "--detach")
    alexctl(*words, capsys=capsys)
    there = [QueuedJob(job_id=f"7_{i}", state="PENDING", reason="Resources") for i in range(3)]
    monkeypatch.setattr(cluster, "queue", lambda name, ids: there if "7" in ids else [])
    code, _, err = alexctl(*words, capsys=capsys)
    assert (code, len(sent)) == (0, 1)
    assert "3 jobs of this campaign in the queue already; nothing was submitted" in err
    code, _, err = alexctl(*words, "--seeds", "9", capsys=capsys)
    assert (code, len(sent)) == (2, 1)
    assert "relu-vs-tanh@shapes: jobs 7 are in the queue for another command, `alexctl ablate relu-vs-tanh" in err
    cancelled = []
    monkeypatch.setattr(cluster, "cancel", cancelled.extend)
    code, out, _ = alexctl("ablate", "relu-vs-tanh", "--on", "slurm", "--cancel", capsys=capsys)
    assert out == "3 jobs of relu-vs-tanh@shapes cancelled; what is done stays.\n"
    assert cancelled == ["7_0", "7_1", "7_2"]


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("30", 30), ("30:00", 30), ("0:30", 1), ("1:30:00", 90), ("1-0", 1440), ("1-2:30", 1590), ("1-00:00:30", 1441), ("infinite", None)],
)  # fmt: skip
def test_times_as_slurm_writes_them(text, minutes):
    assert cluster.minutes_of(text) == minutes


@pytest.mark.parametrize("text", ["", "x", "1-", "-1", "1:2:3:4", "1h", "1.5"])
def test_what_is_no_time(text):
    with pytest.raises(ValueError):  # noqa: PT011
        cluster.minutes_of(text)


def test_a_damaged_list_of_jobs_is_said(tmp_path):
    campaign = tmp_path / "mine"
    slurm_jobs.folder(campaign).mkdir(parents=True)
    path = slurm_jobs.folder(campaign) / layout.SLURM_JOBS
    one = {"job_id": "1; rm", "num_jobs": 1, "words": [], "partition": "p", "minutes": 1}
    path.write_text(json.dumps({"schema": 1, "submissions": [one]}))
    with pytest.raises(UserError, match=r"mine: slurm-jobs\.json is damaged: submissions\.0\.job_id"):
        slurm_jobs.read(campaign)


def test_the_last_words_of_a_job(tmp_path):
    folder = slurm_jobs.folder(tmp_path)
    folder.mkdir()
    assert slurm_jobs.last_words(tmp_path, "7_0") is None
    (folder / "7_0_0_log.err").write_text(
        "0:10  a trial\nalexctl: it is full\nsrun: error: task 0\nsubmitit WARNING (x) - y\n"
    )
    assert slurm_jobs.last_words(tmp_path, "7_0") == "it is full"
    trace = "Traceback (most recent call last):\n  File x\nMemoryError\nslurmstepd-x: error: z\n"
    (folder / "7_1_0_log.err").write_text(trace)
    assert slurm_jobs.last_words(tmp_path, "7_1") == "MemoryError"
    lost = (
        "slurmstepd-x: error: execve(): /venv/bin/python: No such file or directory\nsrun: error: x: task 0: Exited\n"
    )
    (folder / "7_2_0_log.err").write_text(lost)
    assert slurm_jobs.last_words(tmp_path, "7_2") == lost.splitlines()[0]
    slurm_jobs.begin(tmp_path, "7_2")  # it came to work, and was cancelled
    assert slurm_jobs.last_words(tmp_path, "7_2") is None


def test_what_is_sent_is_strings(tmp_path):
    """A hand that is stopped asks for itself anew, with the same words and no process."""
    from alexctl.slurm.hand import Hand

    hand = Hand(str(tmp_path), ("ablate", "x"), 1.0)
    delayed = hand.checkpoint(0)
    assert isinstance(delayed, submitit.helpers.DelayedSubmission)
    assert vars(delayed.function) == {"campaign": str(tmp_path), "words": ("ablate", "x"), "patience": 1.0, "pid": None}
    assert on_slurm.OF_THE_LOGIN.isdisjoint({"seeds", "set_"})
