"""One trial in its folder: claim it, run or resume it, record how it ended."""

import io
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

from alexctl import gallery, results
from alexctl.claims import Claim, Claimed
from alexctl.data.sources import DataSet, open_prepared
from alexctl.errors import UserError, printable
from alexctl.knobs import Setting
from alexctl.provenance import environment
from alexctl.stats import target_epoch
from alexctl.train import Diverged, Training, row_table

ROWS_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """What a trial leaves beside its rows, none of which moves a number: a checkpoint every so many seconds while it
    runs, and its final weights (`weights.safetensors`) if they are wanted."""

    checkpoint_seconds: float = 20.0
    weights: bool = False


ROWS_ONLY = Keeping()


class Interrupted(Exception):
    """Somebody asked the trial to stop; its checkpoint is written."""


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
    keeping: Keeping = ROWS_ONLY,
    on_row: Callable[[dict[str, Any]], None] = lambda row: None,
    should_stop: Callable[[], bool] = lambda: False,
    datasets: dict[str, DataSet] | None = None,
) -> str:
    """Runs or resumes one trial and returns the state it is left in: done, diverged, paused, interrupted or failed.

    `until` pauses it at that epoch with its checkpoint (the learning-rate search goes on from there, if at all).
    Raises Claimed when another process has it. Whatever goes wrong inside is recorded, not raised.
    """
    claim = Claim(folder)
    try:
        return _Run(
            claim, root, device, until, keeping, on_row, should_stop, datasets if datasets is not None else {}
        ).go()
    finally:
        claim.release()


class _Run:
    def __init__(self, claim, root, device, until, keeping, on_row, should_stop, datasets):
        self.claim, self.folder, self.root, self.device, self.until = claim, claim.folder, root, device, until
        self.keeping, self.on_row, self.should_stop, self.datasets = keeping, on_row, should_stop, datasets
        self.rows: list[dict[str, Any]] = []
        self.started = self.saved = time.monotonic()
        self.shown = -ROWS_SECONDS
        self.pause = keeping.checkpoint_seconds
        self.training: Training | None = None

    def go(self) -> str:
        try:
            self._prepare()
            state, error = self._train(), None
        except Interrupted:
            state, error = "interrupted", None
        except Diverged as diverged:
            state, error = "diverged", str(diverged)
        except Claimed:  # while this machine slept; what is here now is the other's
            raise
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
        self.classes = self.datasets[digest].classes
        state = None
        checkpoint = self.folder / results.CHECKPOINT
        if checkpoint.exists():
            try:
                saved = torch.load(checkpoint, weights_only=True, map_location="cpu")
                self.rows, state = saved["rows"], saved["training"]
            except Exception:  # damaged from outside; the trial begins again, its log says why
                traceback.print_exc()
        if state is None:  # what status.json says of rows that are made again would be wrong
            (self.folder / "status.json").unlink(missing_ok=True)
        data = {"data": name, "data_digest": digest}
        results.write_json(self.folder / "env.json", environment(self.device) | data)
        self.training = Training(
            self.setting, self.seed, self.datasets[digest], device=self.device, on_batch=self._on_batch, state=state
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
        crossed = target_epoch(self.rows, knobs.target.model_dump())
        return crossed is not None and self.training.epoch >= crossed + knobs.epochs_after_target

    def _finish(self) -> str:
        if self.setting.training.evaluate_every and self.rows[-1]["test_error"] is None:
            self.training.clock.switch("eval")
            self.rows[-1]["test_error"], self.rows[-1]["top5_error"] = self.training.errors_on("test")
            self.training.clock.switch(None)
            self.rows[-1]["eval_seconds"] = self.training.clock.seconds["eval"]
        if self.keeping.weights and self.seed == 0:  # one of an arm is enough to look at
            self._show()
        return "done"

    def _show(self) -> None:
        """What the figures of a trained net are drawn from; a net that can't be looked at so is no failure."""
        try:
            gallery.write(self.folder, self.training, self.classes)
        except (Interrupted, Claimed, UserError):
            raise
        except Exception:
            traceback.print_exc()

    def _on_batch(self, training: Training) -> None:
        if self.should_stop():
            self._save()
            raise Interrupted
        if time.monotonic() - self.saved > self.pause:
            self._save()

    def _save(self) -> None:
        self.claim.check()
        before = time.monotonic()
        training = self.training
        part = training.clock._part
        training.clock.switch(None)
        content = io.BytesIO()
        torch.save({"rows": self.rows, "training": training.state()}, content)
        results.write_atomic(self.folder / results.CHECKPOINT, content.getvalue())
        self.saved = time.monotonic()
        # Saving takes at most a twentieth of the time, however slow the disk.
        self.pause = max(self.keeping.checkpoint_seconds, 20 * (self.saved - before))
        training.clock.switch(part)

    def _record(self, state: str, error: str | None) -> None:
        self.claim.check()
        if state == "done" and self.keeping.weights:
            copy = {
                "memory_format": torch.contiguous_format
            }  # a copy: tied weights share theirs, which safetensors refuses
            weights = {name: tensor.clone(**copy) for name, tensor in self.training.net.state_dict().items()}
            results.write_atomic(self.folder / results.WEIGHTS, safetensors.torch.save(weights))
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
            (self.folder / results.CHECKPOINT).unlink(missing_ok=True)


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
