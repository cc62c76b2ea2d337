"""Campaigns on a real Slurm: the same folders, rows and hashes as here, whatever becomes of the jobs.

Run by `make test-slurm`, which installs Slurm; elsewhere deselected.
"""

import json
import os
import pty
import signal
import subprocess

import pytest

from alexctl.store import layout, slurm_jobs
from slurm.cluster import CORES, MOST_JOBS
from slurm.harness import alexctl, command, hands, kill, rows_of, started, wait_for, write_searched, write_slow

pytestmark = pytest.mark.slurm


@pytest.fixture
def here(cluster, tmp_path, tiny_root, monkeypatch):
    """A folder to work in, seen by login and node alike, with an empty queue."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALEXCTL_DATA", str(tiny_root))
    yield tmp_path
    cluster.ask("scancel", "-u", "root")
    wait_for("an empty queue", lambda: not cluster.ask("squeue", "-h"))


def log_of(campaign) -> str:
    """What all jobs of a campaign have written."""
    return "".join(path.read_text() for path in sorted(slurm_jobs.folder(campaign).glob("*_log.*")))


def beats(campaign) -> list:
    """The trials that somebody is at work on."""
    return list((campaign / layout.TRIALS).glob(f"*/{layout.HEARTBEAT}"))


def test_time_limit_preemption_lost_login_and_a_killed_process(here, cluster, monkeypatch):
    """One campaign that everything happens to ends as one that nothing happened to."""
    file = write_slow(here)
    undisturbed = alexctl("ablate", file, "--results", "local", "--workers", 1)
    assert undisturbed.returncode == 0, undisturbed.stderr

    monkeypatch.setenv("SLOWLY", "1")
    campaign = here / "results" / "slow"
    words = ("ablate", file, "--results", "results", "--on", "slurm", "--jobs", 2, "--partition", "graceful",
             "--time", 1, "--checkpoint-every", 1)  # fmt: skip
    with started(*words) as login:
        wait_for("a trial stopped by a time limit", lambda: "interrupted at epoch" in log_of(campaign))
        assert "this job is timed-out" in log_of(campaign)
        assert login.poll() is None
        kill(login.pid)  # nobody watches from here on
    for job in slurm_jobs.read(campaign)[0].ids:
        subprocess.run(["scontrol", "update", f"JobId={job}", "TimeLimit=30"], check=True)
    assert any((campaign / layout.TRIALS).glob(f"*/{layout.CHECKPOINT}"))
    wait_for("both jobs back in the queue", lambda: log_of(campaign).count("Requeued job") >= 2)

    wait_for("both jobs to train again", lambda: len(beats(campaign)) == 2)
    before = log_of(campaign).count("interrupted at epoch")
    subprocess.run(["srun", "-p", "urgent", "-n", str(CORES), "true"], check=True, capture_output=True, timeout=60)
    wait_for("checkpoints", lambda: log_of(campaign).count("interrupted at epoch") == before + 2, 20)

    wait_for("both jobs to train again", lambda: len(hands(campaign)) == len(beats(campaign)) == 2)
    kill(hands(campaign)[0])
    wait_for("its job to be gone", lambda: len(cluster.ask("squeue", "-h", "-r").split("\n")) == 2)

    seen = json.loads(alexctl("status", "slow", "--json").stdout)[0]
    assert [job["state"] for job in seen["jobs"]] == ["RUNNING"]
    assert sum(line["done"] + line["running"] + line["pending"] for line in seen["trials"]) == 4

    monkeypatch.delenv("SLOWLY")
    again = alexctl(*words)
    assert "1 job of this campaign in the queue already" in again.stderr
    assert again.returncode == 0, again.stderr
    assert "relu against tanh" in again.stdout
    assert rows_of(campaign) == rows_of(here / "local" / "slow")
    assert (campaign / layout.VERDICT).read_bytes() == (here / "local" / "slow" / layout.VERDICT).read_bytes()
    seen = json.loads(alexctl("status", "slow", "--json").stdout)[0]
    assert seen["jobs"] == []
    assert [line["done"] for line in seen["trials"]] == [2, 2]


def test_a_search_shared_by_jobs(here):
    """The search of the learning rate runs there too, and comes to the same rates."""
    file = write_searched(here)
    local = alexctl("ablate", file, "--results", "local", "--workers", 1)
    assert local.returncode == 0, local.stderr
    on_slurm = alexctl("ablate", file, "--on", "slurm", "--jobs", 3, "--json")
    assert on_slurm.returncode == 0, on_slurm.stderr
    assert rows_of(here / "results" / "searched") == rows_of(here / "local" / "searched")
    verdict = json.loads(on_slurm.stdout)
    assert verdict == json.loads((here / "local" / "searched" / layout.VERDICT).read_text())
    sent = slurm_jobs.read(here / "results" / "searched")
    assert [each.num_jobs for each in sent] == [3]
    assert all(isinstance(word, str) for each in sent for word in each.words)


def test_a_folder_that_the_nodes_do_not_see(here, cluster):
    """No job has written its mark there, and that is what is said."""
    results = cluster.unseen / "results"
    ended = alexctl("ablate", write_searched(here), "--on", "slurm", "--jobs", 2, "--results", results)
    assert ended.returncode == 1
    line = ended.stderr.splitlines()[-1]
    assert "none has written its mark" in line
    assert line.endswith("choose a folder that all nodes share, with --results PATH")
    told = alexctl("status", "searched", "--results", results)
    assert told.returncode == 0
    assert "none has written its mark" in told.stderr


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--partition", "man"), "--partition man: no such partition, did you mean 'main'?"),
        (("--partition", "closed"), "--partition closed: it is down and takes no jobs, choose from: graceful, main, urgent"),
        (("--time", "2:00:00"), "--time 2:00:00: partition main allows 60 minutes at most; a job that runs out of time goes on in the next, so --time 60 will do"),
        (("--jobs", MOST_JOBS + 1), f"--jobs {MOST_JOBS + 1}: this cluster takes {MOST_JOBS} jobs in an array at most; give --jobs 4"),
        (("--workers", CORES + 1), "sbatch refused the jobs: Requested node configuration is not available; ask for less"),
        (("--gpus-per-job", 1), "sbatch refused the jobs: Invalid generic resource (gres) specification; ask for less"),
        (("--sbatch", "colour=red"), "sbatch refused the jobs: unrecognized option '--colour=red'"),
        (("--cancel",), "--cancel: no jobs of searched in results are in the queue"),
    ],
)  # fmt: skip
def test_what_the_cluster_does_not_allow(here, words, line):
    """One line with what to do, and nothing submitted."""
    ended = alexctl("ablate", write_searched(here), "--on", "slurm", *words)
    assert ended.returncode == 2
    (told,) = (each for each in ended.stderr.splitlines() if each.startswith("alexctl: "))
    assert told.startswith(f"alexctl: {line}")
    assert not (here / "results").exists()


def test_detach_another_question_and_cancel(here, cluster):
    """What is in the queue counts; another question is refused while it is; `--cancel` ends it."""
    words = ("ablate", write_searched(here), "--on", "slurm", "--jobs", 2, "--sbatch", "begin=now+1hour")
    sent = alexctl(*words, "--detach")
    assert sent.returncode == 0, sent.stderr
    assert sent.stdout.strip() == "To see how far they are: alexctl status searched"
    told = alexctl("status", "searched")
    assert "Slurm jobs: 2 pending (BeginTime)" in told.stdout
    assert "No trial yet" in told.stdout
    again = alexctl(*words, "--detach")
    assert "2 jobs of this campaign in the queue already; nothing was submitted" in again.stderr
    other = alexctl(*words, "--detach", "--seeds", 5)
    assert other.returncode == 2
    assert "are in the queue for another command, `alexctl ablate" in other.stderr
    gone = alexctl("ablate", here / "searched.toml", "--on", "slurm", "--cancel")
    assert gone.stdout.strip() == "2 jobs of searched cancelled; what is done stays."
    wait_for("an empty queue", lambda: not cluster.ask("squeue", "-h"), 20)


@pytest.mark.parametrize(("answer", "left"), [("leave", 2), ("cancel", 0)])
def test_ctrl_c_asks(here, cluster, answer, left):
    terminal, theirs = pty.openpty()
    words = ("ablate", write_searched(here), "--on", "slurm", "--jobs", 2, "--sbatch", "begin=now+1hour")
    login = subprocess.Popen(command(*words), stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    said = b""

    def has_said(what: bytes) -> bool:
        nonlocal said
        said += os.read(terminal, 4096)
        return what in said

    wait_for("the live view", lambda: has_said(b"asks what becomes of the jobs"))
    login.send_signal(signal.SIGINT)
    wait_for("the question", lambda: has_said(b"[leave/cancel]"))
    os.write(terminal, f"{answer}\n".encode())
    assert login.wait(30) == 130
    os.close(terminal)
    count = lambda: len(cluster.ask("squeue", "-h", "-r").splitlines())  # noqa: E731
    wait_for("the queue as wanted", lambda: count() == left, 20)
