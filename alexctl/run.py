"""Runs a campaign to its end, from the data it needs to the tables and figures made of it."""

from alexctl import machine, precision, results, trial
from alexctl.ablation import Ablation
from alexctl.bench.kept import crowding
from alexctl.campaign import Campaign
from alexctl.claims import Claim, Claimed
from alexctl.conductor import STACK, Conductor, Options, Watcher
from alexctl.data.sources import DataSet, data_root, prepare
from alexctl.describe import DRAWN, describe, drawing
from alexctl.errors import UserError
from alexctl.preflight import seconds_per_epoch
from alexctl.provenance import git_state
from alexctl.report.tables import Tables
from alexctl.sharing import Shared


def run(ablation: Ablation, options: Options, watcher: Watcher) -> tuple[Campaign, Tables]:
    """Runs or resumes the whole campaign and derives its tables; raises UserError, or Stopped after an interrupt.

    A trial that fails is recorded in its folder and in the returned campaign, and the others go on.
    """
    root = data_root(options.root)
    device = trial.choose_device(options.device)
    ablation = precision.with_precision(ablation, device)
    data = prepare(ablation.base["data"], root, image_size=ablation.image_size, progress=watcher.preparing)
    name = results.campaign_name(ablation, data.name)
    folder = results.make_folder(options.results / name)
    results.make_folder(folder / "trials")
    try:
        claim = Claim(folder)
    except Claimed as claimed:
        raise UserError(
            f"another alexctl is running {name} in {options.results} {claimed}; wait for it, "
            "or choose another place with --results"
        ) from None
    try:
        campaign = Campaign(
            ablation, data_name=data.name, data_digest=data.digest, num_classes=len(data.classes), folder=folder
        )
        campaign.retry_failed = options.retry_failed
        notes = [
            *data.notes,
            *precision.notes(ablation, device),
            *campaign.write_plan(git_state()),
            *_weightless(campaign, options.keeping),
        ]
        shared = Shared(campaign, weights=options.keeping.weights)
        taken = shared.take_ready()
        workers = options.workers or default_workers(device.type)
        stack = options.stack or (1 if device.type == "cpu" else STACK)
        seconds = seconds_per_epoch(campaign, data, device, options.threads) if campaign.ready() else {}
        crowded = crowding(options.results / "bench", workers, device) or 1.0
        watcher.planned(campaign, {arm: crowded * each for arm, each in seconds.items()}, workers, notes)
        for job, source in taken:
            watcher.taken(job, source)
        Conductor(campaign, claim, shared, options, root, workers, stack, watcher).go()
        campaign.tidy()
        _draw_net(campaign, data)
        from alexctl.report.rebuild import rebuild  # matplotlib is slow to import, and now there is something to draw

        return campaign, rebuild(campaign)
    finally:
        claim.release()


def _draw_net(campaign: Campaign, data: DataSet) -> None:
    """Figure 2 of the subject's net, if it is of that kind: a report, which builds no net, finds it in `net.svg`."""
    ablation = campaign.ablation
    lr = min(ablation.plan.lr_grid) if ablation.subject in ablation.searched else None
    setting = campaign.setting(ablation.subject, "final", lr)
    if setting.training.net in DRAWN:
        size = setting.training.crop or data.train_images.shape[1]
        described = describe(setting.training.net, setting.net, size, len(data.classes))
        results.write_atomic(campaign.folder / "net.svg", drawing(described))


def _weightless(campaign: Campaign, keeping: trial.Keeping) -> list[str]:
    """A note where weights are wanted of trials that were done without keeping them."""
    done = [r for r in campaign.records.values() if r.state == "done" and r.phase == "final"]
    without = [record for record in done if not (record.folder / results.WEIGHTS).exists()]
    if not (keeping.weights and without):
        return []
    return [
        f"trials done before that kept no weights: {len(without)}; where they are wanted, delete the trial's folder "
        "and give the same command again"
    ]


def default_workers(device_type: str) -> int:
    """One worker a core on a CPU, one on an accelerator."""
    return machine.default_workers() if device_type == "cpu" else 1
