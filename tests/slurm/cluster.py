"""A real Slurm of one node on this machine, in a folder of its own: munged, slurmctld and slurmd, without systemd.

`python tests/slurm/cluster.py FOLDER` starts one and keeps it until Ctrl-C, for a look by hand.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "unshare")
CORES = 4  # that the node says it has, however many there are
NODE = "here"
MOST_JOBS = 20  # of an array

CONF = """
ClusterName=alexctl
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CryptoType=crypto/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=6
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,sched_interval=2,bf_interval=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
MaxArraySize={most_jobs}
KillWait=20
ReturnToService=2
GresTypes=gpu
NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 CPUs={cores} Gres=gpu:2 State=UNKNOWN
PartitionName=main Nodes={node} Default=YES MaxTime=60 PriorityTier=1 State=UP
PartitionName=graceful Nodes={node} MaxTime=60 PriorityTier=1 GraceTime=60 State=UP
PartitionName=urgent Nodes={node} MaxTime=5 PriorityTier=10 State=UP
PartitionName=closed Nodes={node} MaxTime=5 State=DOWN
"""


def missing() -> list[str]:
    """The programs that a Slurm needs and that aren't here."""
    return [name for name in NEEDED if not shutil.which(name)]


class Cluster:
    """Started on entering, ended on leaving. `unseen` is a folder that is another on the node than here."""

    def __init__(self, folder: Path):
        self.folder = folder.resolve()
        self.unseen = self.folder / "unseen"
        self.running: list[subprocess.Popen] = []
        self.before = os.environ.get("SLURM_CONF")

    def __enter__(self) -> "Cluster":
        for name in ("state", "spool", "unseen"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        os.environ["SLURM_CONF"] = str(self._configured())
        try:
            self._start_munge()
            self._start("slurmctld", "-D")
            # In a view of the disk where one folder is empty: what a login node has and the nodes don't.
            hide = 'mount -t tmpfs none "$0" && exec "$@"'
            self._start("unshare", "-m", "sh", "-c", hide, str(self.unseen), "slurmd", "-D", "-N", NODE)
            self._wait(self.is_idle, "the node to be idle")
        except BaseException:
            self.__exit__()
            raise
        return self

    def _configured(self) -> Path:
        path = self.folder / "slurm.conf"
        for name in ("gpu0", "gpu1"):  # which no trial uses
            (self.folder / name).touch()
        (self.folder / "gres.conf").write_text(f"NodeName={NODE} Name=gpu File={self.folder}/gpu[0-1]\n")
        host = socket.gethostname().split(".")[0]
        path.write_text(
            CONF.format(
                folder=self.folder, host=host, node=NODE, cores=CORES, ports=_free_ports(2), most_jobs=MOST_JOBS
            )
        )
        return path

    def _start_munge(self) -> None:
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(1024))
        self._start(
            "munged", "--foreground", "--force", f"--socket={self.folder}/munge.socket", f"--key-file={key}",
            f"--pid-file={self.folder}/munged.pid", f"--seed-file={self.folder}/munged.seed",
            f"--log-file={self.folder}/munged.log",
        )  # fmt: skip
        self._wait((self.folder / "munge.socket").exists, "munged")

    def _start(self, *words: str) -> None:
        log = (self.folder / f"{words[0]}.out").open("wb")
        self.running.append(subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log))
        log.close()

    def _wait(self, done, what: str) -> None:
        end = time.monotonic() + 60
        while not done():
            dead = [each.args[0] for each in self.running if each.poll() is not None]
            if dead or time.monotonic() > end:
                logs = "\n".join(path.read_text(errors="replace")[-2000:] for path in self.folder.glob("*.log"))
                raise RuntimeError(f"waiting for {what}: {dead or 'a minute has gone'}\n{logs}")
            time.sleep(0.2)

    def is_idle(self) -> bool:
        """Whether the node is up and nothing runs on it."""
        return self.ask("sinfo", "-h", "-o", "%T", "-p", "main").strip() == "idle"

    def minutes_gone(self, job_id: str) -> int:
        """Whole minutes that a job has run."""
        *_, minutes, _ = ["0", *self.ask("squeue", "-h", "-j", job_id, "-o", "%M").strip().split(":")]
        return int(minutes)

    def ask(self, *words: str) -> str:
        """What a Slurm command prints; empty where it fails."""
        done = subprocess.run(words, capture_output=True, text=True, timeout=30)
        return done.stdout if done.returncode == 0 else ""

    def __exit__(self, *_: object) -> None:
        if len(self.running) > 1:
            with contextlib.suppress(subprocess.SubprocessError):
                subprocess.run(["scancel", "-u", "root"], capture_output=True, timeout=20)
                end = time.monotonic() + 30
                while self.ask("squeue", "-h") and time.monotonic() < end:
                    time.sleep(0.3)
        for process in reversed(self.running):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self.before is None:
            os.environ.pop("SLURM_CONF", None)
        else:
            os.environ["SLURM_CONF"] = self.before


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as open_ones:
        sockets = [open_ones.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


if __name__ == "__main__":
    with Cluster(Path(sys.argv[1])) as cluster:
        print(f"export SLURM_CONF={cluster.folder}/slurm.conf", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
