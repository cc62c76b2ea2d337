"""A campaign's trials as runs of TensorBoard, MLflow or Weights & Biases: in their own formats, on this disk alone.

Each trial is a run: what it is (arm, seed, phase, every knob) as its parameters, its rows as metrics by step, and what
it came to as metrics of its own. Nothing that a run holds says who made it, where, or on which machine by name.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alexctl.errors import StorageError, UserError
from alexctl.store import files
from alexctl.verdicts.evidence import Evidence
from alexctl.verdicts.tables import derive

ABOUT = ("ablation", "arm", "phase", "seed", "lr")  # the columns of trials.csv that say what a trial is
NOT_MEASURED = (*ABOUT, "status", "trial", "error", "log")


@dataclass(frozen=True, kw_only=True)
class Run:
    """A trial as others call it: `parameters` say what it is, `rows` are (step, seconds, metrics), `results` its end."""

    name: str
    group: str
    finished: bool
    parameters: dict[str, Any]
    rows: list[tuple[int, float, dict[str, float]]]
    results: dict[str, float]


def runs(evidence: Evidence) -> list[Run]:
    """The trials of a campaign that count and have begun, as in trials.csv and curves.csv."""
    table = {line["trial"]: line for line in derive(evidence).trials.to_dict("records")}
    found = []
    for record in evidence.counted:
        if not record.rows:
            continue
        line = table[record.folder.name]
        about = {
            **record.setting,
            **{key: line[key] for key in ABOUT},
            "data": evidence.data_name,
            "control": line["arm"] in evidence.ablation.controls.values(),
        }
        rows = [
            (row["step"], row["train_seconds"], _numbers({k: v for k, v in row.items() if k != "step"}))
            for row in record.rows
        ]
        results = _numbers(
            {key: value for key, value in line.items() if key not in (*NOT_MEASURED, *evidence.ablation.varies)}
        )
        found.append(
            Run(
                name=record.folder.name,
                group=line["arm"],
                finished=record.finished,
                parameters=about,
                rows=rows,
                results=results,
            )
        )
    return found


def _numbers(cells: dict[str, Any]) -> dict[str, float]:
    """The cells that hold a number; one that is missing is no nought."""
    return {
        key: float(value)
        for key, value in cells.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and value == value
    }


def export(evidence: Evidence, to: str, folder: Path) -> int:
    """Writes the runs of a campaign below a folder, which must be new or empty; how many there are.

    `to` is a key of WRITERS. UserError where the package that writes that format is not installed, where the folder holds
    anything, and where no trial has begun.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(
            f"{folder} is not an empty folder; an export begins in a new one, so that no run is in it twice"
        )
    found = runs(evidence)
    if not found:
        raise UserError(f"{evidence.folder.name} has no trial that has begun; run `alexctl ablate` first")
    try:
        files.make_folder(folder)
        WRITERS[to](evidence, found, folder)
    except ModuleNotFoundError as error:
        raise UserError(
            f"--to {to} needs the package {error.name}: `pip install 'alexctl[{to}]'` installs it"
        ) from None
    except StorageError as error:
        raise UserError(str(error).replace("choose --results", "choose another folder"), exit_code=1) from error
    except OSError as error:
        raise UserError(f"can't write {folder}: {error.strerror or error}", exit_code=1) from error
    return len(found)


def _tensorboard(evidence: Evidence, found: list[Run], folder: Path) -> None:
    """An event file a run, with its parameters for the HPARAMS page; the time of an event is the seconds of training."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.plugins.hparams import api_pb2
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo
    from tensorboard.summary.writer.record_writer import RecordWriter

    def scalars(numbers: dict[str, float]) -> Summary:
        return Summary(value=[Summary.Value(tag=key, simple_value=value) for key, value in numbers.items()])

    def session(what: str, **info: Any) -> Summary:  # as the HPARAMS page reads it
        about = SummaryMetadata.PluginData(
            plugin_name="hparams", content=HParamsPluginData(version=0, **info).SerializeToString()
        )
        return Summary(
            value=[Summary.Value(tag=f"_hparams_/session_{what}_info", metadata=SummaryMetadata(plugin_data=about))]
        )

    for run in found:
        place = files.make_folder(folder / run.name)
        began = SessionStartInfo(group_name=run.name)
        for key, value in run.parameters.items():
            if isinstance(value, bool):
                began.hparams[key].bool_value = value
            elif isinstance(value, int | float):
                began.hparams[key].number_value = value
            else:
                began.hparams[key].string_value = str(value)
        step, seconds, _ = run.rows[-1]
        with (place / "events.out.tfevents.0.alexctl").open("xb") as file:  # their own names hold the machine's
            writer = RecordWriter(file)

            def write(event: Event, writer: RecordWriter = writer) -> None:
                writer.write(event.SerializeToString())

            write(Event(wall_time=0, file_version="brain.Event:2"))
            write(Event(wall_time=0, summary=session("start", session_start_info=began)))
            for at, when, numbers in run.rows:
                write(Event(wall_time=when, step=at, summary=scalars(numbers)))
            write(
                Event(
                    wall_time=seconds,
                    step=step,
                    summary=scalars({f"result/{key}": v for key, v in run.results.items()}),
                )
            )
            state = api_pb2.STATUS_SUCCESS if run.finished else api_pb2.STATUS_UNKNOWN
            ended = SessionEndInfo(status=state, end_time_secs=seconds)
            write(Event(wall_time=seconds, summary=session("end", session_end_info=ended)))
            writer.flush()


def _mlflow(evidence: Evidence, found: list[Run], folder: Path) -> None:
    """A store of files for `mlflow ui --backend-store-uri DIR`: an experiment, and a run a trial."""
    with _environment(MLFLOW_DISABLE_TELEMETRY="true", DO_NOT_TRACK="true", MLFLOW_ALLOW_FILE_STORE="true"):
        from mlflow.entities import Metric, Param
        from mlflow.tracking import MlflowClient

        client = MlflowClient(tracking_uri=folder.resolve().as_uri())
        experiment, now = client.create_experiment(evidence.folder.name), round(1000 * time.time())
        for run in found:
            made = client.create_run(
                experiment, start_time=now, run_name=run.name, tags={"mlflow.user": "", "arm": run.group}
            )
            measured = [
                Metric(key, value, now + round(1000 * when), at)
                for at, when, numbers in run.rows
                for key, value in numbers.items()
            ]
            step, seconds, _ = run.rows[-1]
            measured += [
                Metric(f"result_{key}", value, now + round(1000 * seconds), step) for key, value in run.results.items()
            ]
            for i in range(0, len(measured), 1000):  # the most that they take at once
                client.log_batch(made.info.run_id, metrics=measured[i : i + 1000])
            client.log_batch(made.info.run_id, params=[Param(key, str(value)) for key, value in run.parameters.items()])
            state = "FINISHED" if run.finished else "RUNNING"
            client.set_terminated(made.info.run_id, state, end_time=now + round(1000 * seconds))


def _wandb(evidence: Evidence, found: list[Run], folder: Path) -> None:
    """Offline runs, which `wandb sync` sends to wherever the user wants them."""
    with _environment(WANDB_MODE="offline", WANDB_SILENT="true", WANDB_ERROR_REPORTING="false"):
        import wandb

        settings = wandb.Settings(
            mode="offline", silent=True, console="off", disable_git=True, disable_code=True, x_disable_stats=True,
            x_disable_meta=True, x_disable_machine_info=True, x_save_requirements=False, host="alexctl",
        )  # fmt: skip
        for run in found:
            with wandb.init(
                project=evidence.ablation.name, name=run.name, group=run.group, config=run.parameters, dir=folder,
                settings=settings, reinit="finish_previous",
            ) as logged:  # fmt: skip
                for at, _, numbers in run.rows:
                    logged.log(numbers, step=at)
                logged.summary.update({f"result_{key}": value for key, value in run.results.items()})
    for logs in folder.glob("wandb/*/logs"):  # of this machine's paths; a sync needs none
        shutil.rmtree(logs)


@contextlib.contextmanager
def _environment(**words: str) -> Iterator[None]:
    """Variables that are read when a package is imported or begins; as they were afterwards."""
    before = {key: os.environ.get(key) for key in words}
    os.environ.update(words)
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value


WRITERS: dict[str, Callable[[Evidence, list[Run], Path], None]] = {
    "tensorboard": _tensorboard,
    "mlflow": _mlflow,
    "wandb": _wandb,
}
