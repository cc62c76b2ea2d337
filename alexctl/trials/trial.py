"""One trial in its folder: lock it, run or resume it, record how it ended."""

import io
import time
import traceback
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

import safetensors.torch
import torch

from alexctl.ablation.own_code import in_a_line
from alexctl.data.sources import open_prepared
from alexctl.errors import UserError
from alexctl.nets.split import is_in_two_towers
from alexctl.process import is_interrupt
from alexctl.regular_files import open_regular
from alexctl.statistics import target_epoch
from alexctl.store import files, inspection, layout, records, rows_csv, test_images
from alexctl.store.environment import device_name, environment
from alexctl.store.lock import Locked
from alexctl.training.loop import Diverged, Row, Training, evaluation_columns
from alexctl.training.ranks import Lost, RankedTraining, backend_for
from alexctl.trials.inspection import inspect, kernel_colours
from alexctl.trials.partner import Pair, Partner, torchrun

ROWS_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True)
class Keeping:
    """What a trial leaves beside its rows, none of which moves a number: a checkpoint every so many seconds while it
    runs, and its final weights and its probabilities for the test images if they are wanted."""

    checkpoint_seconds: float = 20.0
    weights: bool = False
    predictions: bool = False


ROWS_ONLY = Keeping()


class Interrupted(Exception):
    """Somebody asked the trial to stop; its checkpoint is written."""


Pieces = Generator[object | None, None, str]
"""A work in small pieces, after each of which others may have their turn; returns the state its trial is left in: done,
diverged, paused, interrupted or failed."""


class TrialRun:
    """One locked trial on its way, alone or in a lane beside others.

    `until` pauses it at that epoch with its checkpoint (the learning-rate search goes on from there, if at all).
    On a `pair` of devices a net in two towers is two ranks, of which this is the first.
    `is_nobodys` says of an exception whether it may be another's doing: then it is raised, not recorded.
    """

    def __init__(
        self, lock, root, device, until, keeping, on_row, should_stop, datasets, *, lanes: int = 1,
        pair: Pair | None = None, is_nobodys: Callable[[BaseException], bool] = lambda error: False,
    ):  # fmt: skip
        self.lock, self.folder, self.root, self.device, self.until = lock, lock.folder, root, device, until
        self.keeping, self.on_row, self.should_stop, self.datasets = keeping, on_row, should_stop, datasets
        self.lanes, self.is_nobodys, self.closed = lanes, is_nobodys, False
        self.rows: list[dict[str, Any]] = []
        self.state: dict[str, Any] | None = None  # of the training, as its checkpoint had it
        self.started = self.saved = time.monotonic()
        self.shown = -ROWS_SECONDS
        self.pause = keeping.checkpoint_seconds
        self.training: Training | None = None
        self.pair, self.partner = pair, None
        self.kernels: list[dict[str, Any]] | None = None  # how coloured they are

    def work(self) -> Pieces:
        """Runs it to its end and records how it ended, or what went wrong.

        Nobody is told of an end while the device still works for this trial: its tensors would be given to others.
        """
        try:
            return (yield from self._recorded())
        finally:
            if self.training is not None:
                with suppress(Exception):  # of a device that takes no more: whoever raised it has told of it
                    self.training.launcher.wait()
            if self.partner is not None:
                self.partner.close()

    def _recorded(self) -> Pieces:
        try:
            state, error = (yield from self._train()), None
        except Interrupted:
            state, error = "interrupted", None
        except Diverged as diverged:
            state, error = "diverged", str(diverged)
        except Lost as lost:
            self.log_exception()
            state, error = "failed", self.partner.reason(lost)
        except Locked:  # while this machine slept; what is here now is the other's
            raise
        except UserError as failure:
            if failure.exit_code == 1:  # the disk, not the trial
                raise
            state, error = "failed", str(failure)
        except files.Unreadable as failure:
            raise files.unusable(self.folder.name, failure, "") from None
        except BaseException as failure:  # a net of the user's own may raise whatever there is, SystemExit too
            if self.closed or is_interrupt(failure) or self.is_nobodys(failure):
                raise
            self.log_exception()
            state, error = "failed", in_a_line(failure)
        self._record(state, error)
        return state

    def log_exception(self) -> None:
        """Writes the exception at hand into the trial's log, where there is room."""
        with suppress(OSError, ValueError), open_regular(self.folder / layout.LOG, append=True) as log:
            log.write(traceback.format_exc().encode(errors="backslashreplace"))

    def _open(self) -> None:
        """Reads what the trial is and how far it came, and writes down what it runs on."""
        self.setting, self.seed = records.read_setting(self.folder)
        name, digest = self.setting.data_name, self.setting.data_digest
        if digest not in self.datasets:
            self.datasets[digest] = open_prepared(name, digest, self.root)
        self.data = self.datasets[digest]
        checkpoint = self.folder / layout.CHECKPOINT
        if checkpoint.exists():
            try:
                content = io.BytesIO(files.read_bytes(checkpoint, files.ANY_BYTES))
                saved = torch.load(content, weights_only=True, map_location="cpu")
                self.rows, self.state = saved["rows"], saved["training"]
            except files.Unreadable:
                raise
            except Exception:  # damaged from outside; the trial begins again, its log says why
                self.log_exception()
        if self.state is None:
            records.begin_again(self.folder)
        data = {"data": name, "data_digest": digest}
        where = environment(self.device, self.setting.training.precision) | data
        files.write_json(
            self.folder / layout.ENV, where | ({"lanes": self.lanes} if self.lanes > 1 else {}) | self._ranks()
        )

    def _ranks(self) -> dict[str, Any]:
        """What env.json says of a trial that was given two devices: it takes the first alone where it has one tower."""
        if self.pair is None:
            return {}
        devices = {"devices": [device_name(device) for device in self.pair.devices]}
        if not is_in_two_towers(self.setting):
            return {**devices, "ranks": 1}
        return {**devices, "ranks": 2, "backend": backend_for(self.device)}

    def _built(self) -> Training:
        if self.pair is None or not is_in_two_towers(self.setting):
            return Training(self.setting, self.seed, self.data, device=self.device, state=self.state)
        self.partner = Partner(self.pair, root=self.root, log=self.folder / layout.LOG, torchrun=torchrun())
        return self.partner.training(self.setting, self.seed, self.data, self.state)

    def _train(self) -> Pieces:
        self._open()
        self.training = self._built()
        self.training.evaluator.keeps_probabilities = self.keeping.predictions
        self.prepare_seconds = time.monotonic() - self.started
        end = self.end_before_training()
        pieces = self.training.work() if end is None else ()
        for piece in pieces:
            if not isinstance(piece, Row):
                self._look()
                yield from self._hand_over(piece)
            elif end := self.take(piece):
                break
        if end == "paused":
            self.save()
            return "paused"
        yield from self._finish()
        return "done"

    def end_before_training(self) -> str | None:
        """`done` or `paused` where there is nothing left to train, as far as was asked.

        The last row decides, not how far a checkpoint between two rows got: a trial ends with a row.
        """
        if not self.rows:
            return None
        epoch = self.rows[-1]["epoch"]
        return "done" if self._finished(epoch) else "paused" if self._paused(epoch) else None

    def take(self, row: Row) -> str | None:
        """Keeps a row; `done` or `paused` where the trial has come to its end with it, or to where it was to pause."""
        self.rows.append(asdict(row))
        self.on_row(self.rows[-1])
        if self._finished(row.epoch):
            return "done"
        if self._paused(row.epoch):
            return "paused"
        if time.monotonic() - self.shown > ROWS_SECONDS:  # for whoever looks; a checkpoint has its own
            self.lock.check()
            rows_csv.write(self.folder, self.rows)
            self.shown = time.monotonic()
        return None

    def _paused(self, epoch: float) -> bool:
        # At the end of its budget a trial is done, not paused.
        return self.until is not None and self.until <= epoch < self.setting.training.epochs

    def _finished(self, epoch: float) -> bool:
        """Whether the target was met and the epochs that were to follow it are over."""
        knobs = self.setting.training
        if knobs.target is None or knobs.epochs_after_target is None:
            return False
        crossed = target_epoch(self.rows, knobs.model_dump())
        return crossed is not None and epoch >= crossed + knobs.epochs_after_target

    def _finish(self) -> Generator[object | None, None, None]:
        """The last evaluation, where one is owed, and what is kept of the net to look at."""
        training, last, part = self.training, self.rows[-1], self.training.evaluated
        if self.setting.training.evaluate_every:
            training.clock.switch("eval")
            if last[f"{part}_error"] is None or self._images_missing():
                last |= evaluation_columns(part, (yield from self._looked(training.errors_on(part))))
            # As evaluated, without dropout or flips.
            last["train_error_pass"], _ = yield from self._looked(training.errors_on("train"))
            training.clock.switch(None)
            last["eval_seconds"] = training.clock.seconds["eval"]
        training.reunite()
        self.kernels = kernel_colours(training.net)
        if self.keeping.weights:
            self._keep_weights()
            if self.seed == 0:  # one of an arm is enough to look at
                self._show()

    def _hand_over(self, piece: object | None) -> Iterator[object | None]:
        try:
            yield piece
        except GeneratorExit:  # else a net of the user's own has raised it
            self.closed = True
            raise

    def _looked(self, pieces: Generator[object | None, None, Any]) -> Generator[object | None, None, Any]:
        """The same pieces, with a look after each at whether to save or to stop; returns what they return."""
        while True:
            try:
                piece = next(pieces)
            except StopIteration as end:
                return end.value
            self._look()
            yield from self._hand_over(piece)

    @property
    def _keeps_images(self) -> bool:
        """Whether it is known of each test image whether it was right: not of a trial that ends as its target is met."""
        knobs = self.setting.training
        return self.training.evaluated == "test" and knobs.evaluate_every > 0 and knobs.epochs_after_target != 0

    def _images_missing(self) -> bool:
        """Whether the last evaluation was made when nothing of it was kept, and has to be made again."""
        evaluator = self.training.evaluator
        known = evaluator.right is not None and (evaluator.probabilities is not None or not self.keeping.predictions)
        return self._keeps_images and not known

    def _keep_images(self) -> test_images.Right:
        """Writes down which test images were right, and how probable the net found each class if that is wanted."""
        right = test_images.Right.of(self.training.evaluator.right.cpu().numpy())
        files.write_atomic(self.folder / layout.CORRECT, right.bits)
        if self.keeping.predictions:
            test_images.write_probabilities(self.folder, self.training.evaluator.probabilities.cpu().numpy())
        return right

    def _keep_weights(self) -> None:
        self.lock.check()
        copy = {"memory_format": torch.contiguous_format}  # tied weights share theirs, which safetensors refuses
        weights = {name: tensor.clone(**copy) for name, tensor in self.training.net.state_dict().items()}
        files.write_atomic(self.folder / layout.WEIGHTS, safetensors.torch.save(weights))

    def _show(self) -> None:
        """What the figures of a trained net are drawn from; a net that can't be looked at so is no failure."""
        try:
            kept = inspect(self.training, self.data.classes, after_batch=self._look)
            self.lock.check()
            inspection.write(self.folder, kept)
        except (Interrupted, Locked, UserError):
            raise
        except BaseException as failure:
            if is_interrupt(failure):
                raise
            self.log_exception()

    def _look(self) -> None:
        """Writes the checkpoint where it is time for one, or where somebody asks the trial to stop."""
        if self.should_stop():
            self.save()
            raise Interrupted
        if self._due():
            part = self.training.clock.pause()
            self.save()
            self.training.clock.switch(part)

    def _due(self) -> bool:
        """Whether it is time for a checkpoint."""
        return time.monotonic() - self.saved > self.pause

    def save(self) -> None:
        """Writes the checkpoint."""
        self.lock.check()
        self.training.launcher.wait()  # for what it has still to do, which is no time of saving
        before = time.monotonic()
        content = io.BytesIO()
        torch.save({"rows": self.rows, "training": self.training.state()}, content)
        files.write_atomic(self.folder / layout.CHECKPOINT, content.getvalue())
        self.saved = time.monotonic()
        # Saving takes at most a twentieth of the time, however slow the disk.
        self.pause = max(self.keeping.checkpoint_seconds, 20 * (self.saved - before))

    def _crossed(self) -> dict[str, Any]:
        """How many ranks a trial had that was given two devices, by what they talked, the bytes that crossed in a step, and
        the share of its time spent waiting for them."""
        if self.pair is None or self.training is None:
            return {}
        if not isinstance(self.training, RankedTraining):
            return {"ranks": 1, "backend": None, "bytes_per_step": 0, "waiting_share": 0.0}
        training = self.training
        return {
            "ranks": 2, "backend": backend_for(self.device), "bytes_per_step": training.bytes_per_step,
            "waiting_share": training.waiting_share,
        }  # fmt: skip

    def _record(self, state: str, error: str | None) -> None:
        self.lock.check()
        right = self._keep_images() if state == "done" and self._keeps_images else None
        if self.training:
            rows_csv.write(self.folder, self.rows)
        seconds = self.training.clock.seconds if self.training else {}
        records.write_end(
            self.folder, state, error, self.rows,
            train_seconds=seconds.get("train", 0.0), eval_seconds=seconds.get("eval", 0.0),
            prepare_seconds=getattr(self, "prepare_seconds", None),
            parameters=self.training.num_parameters if self.training else None, right=right,
            kernels=self.kernels if state == "done" else None, crossed=self._crossed(),
        )  # fmt: skip
        if state in records.FINISHED:
            with suppress(OSError):  # one that stays is of no use and does no harm: the campaign tidies up at its end
                (self.folder / layout.CHECKPOINT).unlink(missing_ok=True)
