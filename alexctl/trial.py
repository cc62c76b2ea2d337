"""Trials in their folders: claim one, run or resume it, record how it ended.

`python -m alexctl.trial DIR [DIR ...]` runs trials one after another; `--serve` takes them from standard input.
"""

import argparse
import contextlib
import itertools
import json
import os
import platform
import signal
import subprocess
import threading
import time
import traceback
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from alexctl import results
from alexctl.data.sources import DataSet, data_root, open_prepared
from alexctl.errors import UserError, printable
from alexctl.knobs import Setting
from alexctl.stats import epochs_to_target
from alexctl.train import Diverged, Training, row_table

CHECKPOINT_SECONDS = 20.0
ROWS_SECONDS = 5.0


class Interrupted(Exception):
    """Somebody asked the trial to stop; its checkpoint is written."""


class Claimed(Exception):
    """Another process is at work on this trial."""


def create(folder: Path, *, ablation: str, arm: str, phase: str, seed: int, setting: Setting) -> None:
    """Lays down a trial that anybody may then run."""
    results.make_folder(folder)
    head = {
        "schema": results.SCHEMA, "ablation": ablation, "arm": arm, "phase": phase, "seed": seed,
        "setting": setting.flat(),
    }  # fmt: skip
    results.write_json(folder / "setting.json", head)


def run(
    folder: Path,
    *,
    root: Path,
    device: torch.device,
    until: float | None = None,
    on_row: Callable[[dict[str, Any]], None] = lambda row: None,
    should_stop: Callable[[], bool] = lambda: False,
    datasets: dict[str, DataSet] | None = None,
) -> str:
    """Runs or resumes one trial and returns the state it is left in: done, diverged, paused, interrupted or failed.

    `until` pauses it at that epoch with its checkpoint (the learning-rate search goes on from there, if at all).
    Raises Claimed when another process has it. Whatever goes wrong inside is recorded, not raised.
    """
    lock = FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise Claimed(folder.name) from None
    except OSError as error:
        raise results.storage_error(folder, error) from None
    try:
        return _Run(folder, root, device, until, on_row, should_stop, datasets if datasets is not None else {}).go()
    finally:
        lock.release()


class _Run:
    def __init__(self, folder, root, device, until, on_row, should_stop, datasets):
        self.folder, self.root, self.device, self.until = folder, root, device, until
        self.on_row, self.should_stop, self.datasets = on_row, should_stop, datasets
        self.rows: list[dict[str, Any]] = []
        self.started = self.saved = time.monotonic()
        self.shown = -ROWS_SECONDS
        self.pause = CHECKPOINT_SECONDS
        self.training: Training | None = None

    def go(self) -> str:
        try:
            self._prepare()
            state, error = self._train(), None
        except Interrupted:
            state, error = "interrupted", None
        except Diverged as diverged:
            state, error = "diverged", str(diverged)
        except UserError as failure:
            if failure.exit_code == 1:  # the disk, not the trial
                raise
            state, error = "failed", str(failure)
        except Exception as failure:
            traceback.print_exc()
            state, error = "failed", f"{type(failure).__name__}: {failure}"
        self._record(state, error)
        return state

    def _prepare(self) -> None:
        head = results.read_json(self.folder / "setting.json")
        self.setting = Setting.from_flat(head["setting"])
        self.seed = head["seed"]
        name, digest = self.setting.data_name, self.setting.data_digest
        if digest not in self.datasets:
            self.datasets[digest] = open_prepared(name, digest, self.root)
        state = None
        checkpoint = self.folder / "checkpoint.pt"
        if checkpoint.exists():
            try:
                saved = torch.load(checkpoint, weights_only=True, map_location="cpu")
                self.rows, state = saved["rows"], saved["training"]
            except Exception:  # damaged from outside; the trial begins again, its log says why
                traceback.print_exc()
                (self.folder / "status.json").unlink(missing_ok=True)
        results.write_json(self.folder / "env.json", environment(self.device))
        self.training = Training(
            self.setting, self.seed, self.datasets[digest], device=self.device, on_step=self._on_step, state=state
        )
        self.prepare_seconds = time.monotonic() - self.started

    def _train(self) -> str:
        if self.rows and self._finished():
            return self._finish()
        if self._paused():
            return "paused"
        for row in self.training:
            self.rows.append(row_table(row))
            self.on_row(self.rows[-1])
            if self._finished():
                break
            if self._paused():
                self._save()
                return "paused"
            if time.monotonic() - self.shown > ROWS_SECONDS:  # for whoever looks; a checkpoint has its own
                results.write_rows(self.folder, self.rows)
                self.shown = time.monotonic()
        return self._finish()

    def _paused(self) -> bool:
        # At the end of its budget a trial is done, not paused.
        return self.until is not None and self.until <= self.training.epoch < self.setting.training.epochs

    def _finished(self) -> bool:
        """Whether the target was met and the epochs that were to follow it are over."""
        knobs = self.setting.training
        if knobs.target is None or knobs.epochs_after_target is None:
            return False
        crossed = target_epoch(self.rows, knobs.target)
        return crossed is not None and self.training.epoch >= crossed + knobs.epochs_after_target

    def _finish(self) -> str:
        if self.setting.training.evaluate_every and self.rows[-1]["test_error"] is None:
            self.training.clock.switch("eval")
            self.rows[-1]["test_error"] = self.training.error_on("test")
            self.training.clock.switch(None)
            self.rows[-1]["eval_seconds"] = self.training.clock.seconds["eval"]
        return "done"

    def _on_step(self, training: Training) -> None:
        if self.should_stop():
            self._save()
            raise Interrupted
        if time.monotonic() - self.saved > self.pause:
            self._save()

    def _save(self) -> None:
        before = time.monotonic()
        training = self.training
        part = training.clock._part
        training.clock.switch(None)
        path = self.folder / "checkpoint.pt"
        temporary = self.folder / ".checkpoint.pt.tmp"
        try:
            torch.save({"rows": self.rows, "training": training.state()}, temporary)
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
        except (OSError, RuntimeError) as error:
            with contextlib.suppress(OSError):
                temporary.unlink()
            if isinstance(error, OSError):
                raise results.storage_error(path, error) from None
            raise results.storage_error(path, OSError(0, "the checkpoint could not be written (disk full?)")) from None
        self.saved = time.monotonic()
        # Saving takes at most a twentieth of the time, however slow the disk.
        self.pause = max(CHECKPOINT_SECONDS, 20 * (self.saved - before))
        training.clock.switch(part)

    def _record(self, state: str, error: str | None) -> None:
        if self.training:
            results.write_rows(self.folder, self.rows)
        last = self.rows[-1] if self.rows else {}
        seconds = self.training.clock.seconds if self.training else {}
        status = {
            "schema": results.SCHEMA,
            "state": state,
            "error": printable(error) if error else None,
            "num_rows": len(self.rows),
            "rows_digest": results.rows_digest(self.rows),
            "epochs_run": last.get("epoch", 0.0),
            "train_seconds": seconds.get("train", 0.0),
            "eval_seconds": seconds.get("eval", 0.0),
            "prepare_seconds": getattr(self, "prepare_seconds", None),
            "parameters": sum(p.numel() for p in self.training.net.parameters()) if self.training else None,
        }
        results.write_json(self.folder / "status.json", status)
        if state in ("done", "diverged"):
            (self.folder / "checkpoint.pt").unlink(missing_ok=True)


def target_epoch(rows: list[dict[str, Any]], target) -> float | None:
    """Epochs to the target over rows that carry its metric; None if it was never met."""
    known = [row for row in rows if row[target.metric] is not None]
    return epochs_to_target([r["epoch"] for r in known], [r[target.metric] for r in known], target.at_most)


def seconds_per_epoch(
    setting: Setting, data: DataSet, device: torch.device, threads: int, *, num_steps: int = 6
) -> float:
    """Trains a throw-away net for a few steps and says what an epoch of it would take here, in seconds."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    times: list[float] = []

    def lap(training: Training) -> None:
        training.clock.sync()
        times.append(time.perf_counter())
        if len(times) > num_steps:
            raise Interrupted

    try:
        for _ in (training := Training(setting, 0, data, device=device, on_step=lap)):
            pass
    except Interrupted:
        pass
    finally:
        torch.set_num_threads(before)
    laps = sorted(after - before for before, after in itertools.pairwise(times))
    return laps[len(laps) // 2] * training.batches.steps_per_epoch if laps else 0.0


def record_death(folder: Path, why: str) -> None:
    """Writes down that a trial's process ended without a word: state `failed`, its rows as last saved."""
    try:
        rows = results.read_rows(folder / "rows.csv")
    except ValueError:
        rows = ()
    last = rows[-1] if rows else {}
    status = {
        "schema": results.SCHEMA, "state": "failed", "error": why, "num_rows": len(rows),
        "epochs_run": last.get("epoch", 0.0), "train_seconds": last.get("train_seconds", 0.0),
        "eval_seconds": last.get("eval_seconds", 0.0), "prepare_seconds": None, "parameters": None,
    }  # fmt: skip
    results.write_json(folder / "status.json", status)


def environment(device: torch.device) -> dict[str, Any]:
    """What the numbers were made with; no host, no user, no absolute path."""
    packages = ("torch", "torchvision", "numpy", "pandas", "scipy", "pillow")
    return {
        "schema": results.SCHEMA,
        "alexctl": version("alexctl"),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
        "platform": f"{platform.system()} {platform.machine()}",
        "cpu": torch.backends.cpu.get_cpu_capability(),
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": torch.get_num_threads(),
        "precision": "float32",
        **git_state(),
    }


def git_state() -> dict[str, Any]:
    """The commit of the checkout the code runs from and whether it was changed since; both None when installed."""

    def git(*words: str) -> str | None:
        command = ["git", "-C", str(Path(__file__).parent.parent), *words]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = (
        git("log", "-1", "--format=%H", "--", "alexctl") if (Path(__file__).parent.parent / ".git").exists() else None
    )
    return {
        "git_commit": commit or None,
        "git_dirty": bool(git("status", "--porcelain", "--", "alexctl")) if commit else None,
    }


def choose_device(name: str) -> torch.device:
    """`auto`, `cpu`, `cuda`, `cuda:N` or `mps`; UserError says what this machine has instead."""
    has = ["cpu"] + ["mps"] * torch.backends.mps.is_available()
    has += [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if name == "auto":
        return torch.device("cuda:0" if "cuda:0" in has else has[-1])
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in has:
        raise UserError(f"--device {printable(name)}: not on this machine, which has: {', '.join(has)} (or auto)")
    return torch.device(wanted)


def main() -> None:
    """The worker: one trial after another, a JSON line per event on standard output."""
    parser = argparse.ArgumentParser(prog="python -m alexctl.trial", description=__doc__)
    parser.add_argument("folders", nargs="*", type=Path, metavar="DIR")
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    Worker(data_root(options.data_root), options.device).work(options.folders, serve=options.serve)


class Worker:
    """A process that runs trials. Its standard output carries events; whatever else is printed goes to the trial's log."""

    def __init__(self, root: Path, device: str):
        self.root, self.device_name = root, device
        self.events = os.fdopen(os.dup(1), "w", encoding="utf-8", buffering=1)
        os.dup2(2, 1)
        self.stop = threading.Event()
        self.datasets: dict[str, DataSet] = {}
        for name in ("SIGTERM", "SIGINT"):
            signal.signal(getattr(signal, name), lambda *_: self.stop.set())

    def say(self, event: str, **fields: Any) -> None:
        try:
            self.events.write(json.dumps({"event": event, **fields}) + "\n")
        except OSError:
            self.stop.set()  # the parent is gone

    def work(self, folders: list[Path], *, serve: bool) -> None:
        if serve:
            for line in self._orders():
                order = json.loads(line)
                self._one(Path(order["folder"]), order["until"])
                if self.stop.is_set():
                    break
        for folder in folders:
            self._one(folder, None)

    def _orders(self):
        """Lines from the parent; its end, by death or by closing, stops the trial at hand too."""
        import queue

        lines: queue.Queue[bytes | None] = queue.Queue()

        def read() -> None:
            # Unbuffered: a thread that waits in a buffered stdin aborts the process when it ends for another reason.
            with open(0, "rb", buffering=0, closefd=False) as orders:
                for line in orders:
                    lines.put(line)
            self.stop.set()
            lines.put(None)

        threading.Thread(target=read, daemon=True).start()
        while (line := lines.get()) is not None:
            yield line

    def _one(self, folder: Path, until: float | None) -> None:
        try:
            log = os.open(folder / "stderr.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            os.dup2(log, 2)
            os.dup2(log, 1)
            os.close(log)
            state = run(
                folder, root=self.root, device=choose_device(self.device_name), until=until,
                on_row=lambda row: self.say("row", folder=folder.name, **row),
                should_stop=self.stop.is_set, datasets=self.datasets,
            )  # fmt: skip
        except Claimed:
            state = "claimed"
        except UserError as error:
            self.say("error", folder=folder.name, message=str(error), exit_code=error.exit_code)
            return
        except OSError as error:
            message = str(results.storage_error(folder / "stderr.log", error))
            self.say("error", folder=folder.name, message=message, exit_code=1)
            return
        self.say("end", folder=folder.name, state=state)


if __name__ == "__main__":
    main()
