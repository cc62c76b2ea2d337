"""Runs a campaign to its end, from the data it needs to the tables and figures made of it."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from alexctl import numbers
from alexctl.ablation.model import Ablation
from alexctl.campaign import pairs, precision
from alexctl.campaign.campaign import Campaign
from alexctl.campaign.crew import crew_of
from alexctl.campaign.reuse import FinishedElsewhere
from alexctl.campaign.scheduler import Options, Scheduler, Watcher
from alexctl.data.sources import DataSet, data_root, prepare
from alexctl.errors import UserError
from alexctl.figures.architecture import figure_2
from alexctl.nets import find
from alexctl.nets.description import describe
from alexctl.regular_files import signature
from alexctl.store import files, layout, plan, test_images
from alexctl.store.environment import device_name, devices_of, git_state, threads_of
from alexctl.store.lock import FolderLock, Locked, wait_for_lock
from alexctl.timing.crowding import crowding
from alexctl.timing.probe import NOTHING, probe, seed_notes
from alexctl.training.device import free_bytes
from alexctl.trials.process_pool import LocalPool
from alexctl.verdicts.evidence import Evidence

if TYPE_CHECKING:
    import torch

PATIENCE = 600.0  # seconds for another process that writes the plan, or tables and figures


class _PlannedMeanwhile(Exception):
    """Another process has planned the campaign while this one got ready, in another precision."""


def run(ablation: Ablation, options: Options, watcher: Watcher) -> Evidence:
    """Runs or resumes the whole campaign, writes its tables and figures, and returns what they are made of.

    Other processes may do so on the same folder at the same time: they share its trials, and each ends when all are over.
    Raises UserError, or Stopped after an interrupt. A trial that fails is recorded in its folder, and the others go on.
    """
    with pairs.led_to_the_end():
        while True:
            with contextlib.suppress(
                _PlannedMeanwhile
            ):  # machines may differ in what `auto` comes to: the first decides
                return _run(ablation, options, watcher)


def _run(asked: Ablation, options: Options, watcher: Watcher) -> Evidence:
    root = data_root(options.root)
    devices = pairs.devices_for(asked, options)
    device, paired = devices[0], options.devices is not None or asked.plan.devices == 2
    precision.refuse_missing(asked, devices)
    data = prepare(asked.base["data"], root, image_size=asked.image_size, progress=watcher.preparing)
    folder = options.results / (options.name or layout.campaign_name(asked, data.name))
    plan.refuse_older(folder)
    ablation = precision.with_precision(asked, devices, plan.precision(folder))
    # Seconds count within one run only, so there nobody else may be at work; elsewhere any number of processes may.
    alone = ablation.measure.one_machine
    with contextlib.ExitStack() as at_the_end:
        new, tables_before = not folder.exists(), signature(folder / layout.VERDICT)
        files.make_inner(files.make_inner(folder) / layout.TRIALS)
        if new:
            at_the_end.callback(_remove_if_refused, folder)
        if alone:
            at_the_end.enter_context(_locked(folder, watcher, patience=0.0))
        writing = contextlib.nullcontext if alone else lambda: _locked(folder, watcher, patience=PATIENCE)
        campaign = Campaign(
            ablation,
            data_name=data.name,
            data_digest=data.digest,
            num_classes=len(data.classes),
            folder=folder,
            lean=True,
        )
        campaign.retry_failed, campaign.share = options.retry_failed, options.share
        restarted = campaign.trials.restart_torn()
        shared = FinishedElsewhere(campaign, weights=options.keeping.weights, predictions=options.keeping.predictions)
        # Nothing is written before everything is checked: a refused command leaves what was there as it was.
        unknown = [job for job in campaign.ready() if not shared.knows(job)]
        crew = pairs.led(
            crew_of(devices, workers=options.workers, lanes=options.lanes, one_machine=alone, paired=paired)
        )
        pool = None
        if unknown and crew.begins_early:
            pool = LocalPool(
                workers=crew.workers, devices=crew.devices, root=root, threads=options.threads, keeping=options.keeping,
                pair=crew.pair,
            )  # fmt: skip
            at_the_end.callback(pool.stop)
            pool.begin()
        probed = probe(campaign, data, device, options.threads) if unknown else NOTHING
        seeds = seed_notes(campaign, data, device) if unknown else []
        with writing():
            if precision.with_precision(asked, devices, plan.precision(folder)) != ablation:
                raise _PlannedMeanwhile
            campaign.refresh()
            notes = [
                *data.notes,
                *seeds,
                *precision.notes(ablation, devices),
                *(pairs.notes(campaign, devices) if paired else ()),
                *campaign.write_plan(git_state()),
                *restarted,
                *_without(campaign, layout.WEIGHTS, "weights", options.keeping.weights),
                *_without(campaign, layout.PROBABILITIES, "probabilities", options.keeping.predictions),
            ]
            test_images.write_labels(folder, data_digest=data.digest, classes=data.classes, labels=data.test_labels)
            taken = shared.take_ready()
        if campaign.ready() and not probed.seconds:
            probed = probe(campaign, data, device, options.threads)
        notes += _other_device(campaign, device)
        if device.type == "cpu":
            notes += _other_threads(campaign, options.threads)
        crew = crew.fitted(min(map(free_bytes, devices)), probed.step_bytes)
        # Lanes share a device: what that gains is not known before, so nothing is counted on.
        slower = crew.lanes * (crowding(options.results / layout.BENCH, crew.workers, device) or 1.0)
        notes += probed.notes
        watcher.planned(campaign, {arm: slower * each for arm, each in probed.seconds.items()}, crew, notes)
        for job, source in taken:
            watcher.taken(job, source)
        Scheduler(campaign, shared, options, root, crew, watcher, pool).go()
        # matplotlib is slow to import, and now there is something to draw.
        from alexctl.report.figure_cache import tables_are_of
        from alexctl.report.rebuild import rebuild

        left_out: list[str] = []
        with writing():
            campaign.refresh()
            # Of many processes that end together one writes the tables, while the others wait for that.
            written = signature(folder / layout.VERDICT) != tables_before and tables_are_of(folder, campaign.standing())
            if not written:
                campaign.tidy()
                _draw_net(campaign, data)
                evidence = campaign.evidence()
                rebuild(evidence, problems=left_out)
        for line in (*left_out, *_left_to_others(campaign)):
            watcher.noted(line)
        return campaign.evidence() if written else evidence


@contextlib.contextmanager
def _locked(folder: Path, watcher: Watcher, *, patience: float) -> Iterator[None]:
    """The folder locked, by whoever plans it or writes what is derived from its trials."""
    try:
        lock = wait_for_lock(folder, watcher.preparing, patience=patience)
    except Locked as locked:
        if patience:
            raise UserError(
                f"another alexctl has been writing in {folder.name} in {folder.parent} for {numbers.duration(patience)}, "
                f"{locked}; end it if it hangs, then run the same command again",
                exit_code=1,
            ) from None
        raise UserError(
            f"another alexctl is running {folder.name} in {folder.parent} {locked}, and seconds count within one run "
            "only; wait for it, or choose another place with --results"
        ) from None
    with lock:
        yield


def _remove_if_refused(folder: Path) -> None:
    """Removes the folder of a campaign that was refused before it had a plan, where nobody else has begun in it."""
    with contextlib.suppress(Locked, UserError), FolderLock(folder):
        if not (folder / layout.PLAN).exists():
            shutil.rmtree(folder, ignore_errors=True)


def _left_to_others(campaign: Campaign) -> list[str]:
    """A note where a share of the seeds was run, and others are not over yet."""
    if campaign.share is None:
        return []
    over = sum(record.finished or record.failed for record in campaign.counted() if record.phase == "final")
    if over == campaign.num_reported:
        return []
    return [
        f"{numbers.seeds(campaign.share)} done, and with that {over} of the {campaign.num_reported} trials to report: what is "
        "said here rests on those. The other seeds can run on this folder too, or elsewhere: `alexctl merge` puts folders "
        "together"
    ]


def _draw_net(campaign: Campaign, data: DataSet) -> None:
    """Figure 2 of the subject's net, if it is of that kind: a report, which builds no net, finds it in `net.svg`."""
    ablation = campaign.ablation
    lr = min(ablation.plan.lr_grid) if ablation.subject in ablation.searched else None
    setting = campaign.setting(ablation.subject, "final", lr)
    if find(setting.training.net).is_figure_2:
        size = setting.training.crop or data.train_images.shape[1]
        described = describe(setting.training.net, setting.net, size, len(data.classes))
        files.write_atomic(campaign.folder / layout.svg(layout.NET), figure_2(described))


def _other_device(campaign: Campaign, device: "torch.device") -> list[str]:
    """A note where trials of before ran on another device, and not all are over."""
    before = devices_of(record.folder for record in campaign.records.values()) - {device_name(device)}
    if not (before and campaign.ready()):
        return []
    return [
        f"trials so far ran on {' and '.join(sorted(before))}, the rest run on {device_name(device)}: sums are rounded in "
        "another order, and over many steps results can move; every trial's env.json says where it ran"
    ]


def _other_threads(campaign: Campaign, threads: int) -> list[str]:
    """A note where trials of before had another number of threads, and not all are over."""
    before = threads_of(record.folder for record in campaign.records.values()) - {threads}
    if not (before and campaign.ready()):
        return []
    had = " and ".join(map(str, sorted(before)))
    return [
        f"trials so far ran with {had} threads each, the rest run with {threads}: sums are rounded in another order, and "
        f"over many steps results can move; `--threads {min(before)}` keeps to the rounding of before"
    ]


def _without(campaign: Campaign, file: str, what: str, wanted: bool) -> list[str]:
    """A note where a file is wanted of trials that were done without keeping it."""
    done = [r for r in campaign.records.values() if r.state == "done" and r.phase == "final"]
    without = [record for record in done if not (record.folder / file).exists()]
    if not (wanted and without):
        return []
    return [
        f"{len(without)} finished trials kept no {what}; to get them, delete the trial's folder "
        "and run the same command again"
    ]
