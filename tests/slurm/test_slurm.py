"""Campaigns on a real Slurm: the same folders, rows and hashes as here, whatever becomes of the jobs.

Run by `make test-slurm`, which installs Slurm; elsewhere deselected.
"""

import json
import os
import pty
import signal
import subprocess
import sys

import pytest

from alexctl.cli.main import main
from alexctl.store import layout, slurm_jobs
from slurm.cluster import CORES, MOST_JOBS
from slurm.harness import alexctl, command, hands, kill, rows_of, started, wait_for, write_slow

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


def limit(job_id, minutes):
    subprocess.run(["scontrol", "update", f"JobId={job_id}", f"TimeLimit={minutes}"], check=True)


def test_time_limit_preemption_lost_login_and_a_killed_process(here, cluster, monkeypatch):
    """One campaign that everything happens to, its search included, ends as one that nothing happened to."""
    file, slowly = write_slow(here), here / "slowly"
    undisturbed = alexctl("ablate", file, "--results", "local", "--workers", 1)
    assert undisturbed.returncode == 0, undisturbed.stderr

    slowly.touch()
    monkeypatch.setenv("SLOWLY", str(slowly))
    campaign = here / "results" / "slow"
    words = ("ablate", file, "--on", "slurm", "--jobs", 2, "--partition", "graceful", "--checkpoint-every", 1, "--json")
    with started(*words) as login:
        wait_for("both jobs to train", lambda: len(hands(campaign)) == 2 and beats(campaign))
        left = slurm_jobs.read(campaign)[0].ids
        for job in left:  # Slurm looks every half minute whose time is up in 90 s
            limit(job, cluster.minutes_gone(job) + 2)

        def have_met_it() -> bool:
            for job in [job for job in left if f"Requeued job {job} " in log_of(campaign)]:
                limit(job, 30)
                left.remove(job)
            return not left

        wait_for("both time limits", have_met_it)
        assert login.poll() is None
        kill(login.pid)  # nobody watches from here on
    stopped = log_of(campaign).count("interrupted at epoch")
    assert stopped >= 1
    assert any((campaign / layout.TRIALS).glob(f"*/{layout.CHECKPOINT}"))

    wait_for("both jobs to train again", lambda: len(hands(campaign)) == 2 and beats(campaign))
    subprocess.run(["srun", "-p", "urgent", "-n", str(CORES), "true"], check=True, capture_output=True, timeout=60)
    wait_for("checkpoints", lambda: log_of(campaign).count("interrupted at epoch") > stopped, 20)

    wait_for("both jobs to train again", lambda: len(hands(campaign)) == 2 and beats(campaign))
    kill(hands(campaign)[0])
    wait_for("its job to be gone", lambda: len(cluster.ask("squeue", "-h", "-r").splitlines()) == 1)
    seen = json.loads(alexctl("status", "slow", "--json").stdout)[0]
    assert [job["state"] for job in seen["jobs"]] == ["RUNNING"]
    reported = [line for line in seen["trials"] if line["phase"] == "final"]
    assert [line["pending"] + line["running"] + line["done"] for line in reported] == [2, 2]
    assert sum(line["pending"] + line["running"] for line in reported) >= 1

    slowly.unlink()
    again = alexctl(*words)
    assert again.returncode == 0, again.stderr
    assert rows_of(campaign) == rows_of(here / "local" / "slow")
    assert json.loads(again.stdout) == json.loads((here / "local" / "slow" / layout.VERDICT).read_text())
    assert (campaign / layout.VERDICT).read_bytes() == (here / "local" / "slow" / layout.VERDICT).read_bytes()
    seen = json.loads(alexctl("status", "slow", "--json").stdout)[0]
    assert seen["jobs"] == []
    assert [line["done"] for line in seen["trials"] if line["phase"] == "final"] == [2, 2]
    assert all(isinstance(word, str) for each in slurm_jobs.read(campaign) for word in each.words)


def test_a_folder_that_the_nodes_do_not_see(here, cluster):
    """No job has written its mark there, and that is what is said."""
    results = cluster.unseen / "results"
    ended = alexctl("ablate", write_slow(here), "--on", "slurm", "--jobs", 2, "--results", results)
    assert ended.returncode == 1
    line = ended.stderr.splitlines()[-1]
    assert "none has written its mark" in line
    assert line.endswith("choose a folder that all nodes share, with --results PATH")
    told = alexctl("status", "slow", "--results", results)
    assert told.returncode == 0
    assert "none has written its mark" in told.stderr


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("--partition", "man"), "--partition man: no such partition, did you mean 'main'?"),
        (("--partition", "closed"), "--partition closed: it is down and takes no jobs, choose from: graceful, main, urgent"),
        (("--time", "2:00:00"), "--time 2:00:00: partition main allows 60 minutes at most; a job that runs out of time goes on in the next, so --time 60 will do"),
        (("--jobs", MOST_JOBS + 1), f"--jobs {MOST_JOBS + 1}: this cluster takes {MOST_JOBS} jobs in an array at most; give --jobs 12"),
        (("--workers", CORES + 1), "sbatch refused the jobs: Requested node configuration is not available; ask for less"),
        (("--gpus-per-job", 5), "sbatch refused the jobs: Requested node configuration is not available; ask for less"),
        (("--sbatch", "colour=red"), "sbatch refused the jobs: unrecognized option '--colour=red'"),
        (("--cancel",), "--cancel: no jobs of relu-vs-tanh in results are in the queue"),
    ],
)  # fmt: skip
def test_what_the_cluster_does_not_allow(here, words, line, monkeypatch, capfd):
    """One line with what to do, and nothing submitted."""
    monkeypatch.setattr(sys, "argv", ["alexctl", "ablate", "relu-vs-tanh", "--on", "slurm", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    (told,) = capfd.readouterr().err.splitlines()
    assert told.startswith(f"alexctl: {line}")
    assert not (here / "results").exists()


def test_detach_another_question_and_cancel(here, cluster, monkeypatch, capsys):
    """What is in the queue counts; another question is refused while it is; `--cancel` ends it."""

    def told(*words):
        monkeypatch.setattr(sys, "argv", ["alexctl", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code or 0, *capsys.readouterr()

    name = "relu-vs-tanh@shapes"
    words = ("ablate", "relu-vs-tanh", "--data", "shapes", "--on", "slurm", "--jobs", "2", "--gpus-per-job", "1",
             "--sbatch", "begin=now+1hour", "--detach")  # fmt: skip
    code, out, err = told(*words)
    assert (code, out) == (0, f"To see how far they are: alexctl status {name}\n"), err
    assert cluster.ask("squeue", "-h", "-o", "%b").split() == ["gres:gpu:1"]
    _, out, _ = told("status", "relu-vs-tanh")
    assert "No trial yet" in out
    assert "Slurm jobs: 2 pending" in out
    _, _, err = told(*words)
    assert "2 jobs of this campaign in the queue already; nothing was submitted" in err
    code, _, err = told(*words, "--seeds", "5")
    assert code == 2
    assert "are in the queue for another command, `alexctl ablate" in err
    code, out, _ = told("ablate", "relu-vs-tanh", "--on", "slurm", "--cancel")
    assert (code, out) == (0, f"2 jobs of {name} cancelled; what is done stays.\n")
    wait_for("an empty queue", lambda: not cluster.ask("squeue", "-h"), 20)


@pytest.mark.parametrize(("answer", "left"), [("leave", 2), ("cancel", 0)])
def test_ctrl_c_asks(here, cluster, answer, left):
    terminal, theirs = pty.openpty()
    words = ("ablate", write_slow(here), "--on", "slurm", "--jobs", 2, "--sbatch", "begin=now+1hour")
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
