"""The front door: `ablate` runs a campaign, `load_results` opens what was run, `stats` judges anybody's runs.

The command line calls these, and a notebook finds them as `alexctl.ablate` and so on. Importing this is light: what is
slow to import waits until it is needed.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from alexctl.ablation.load import load, looks_wanted, share_wanted
from alexctl.errors import Stopped, StorageError, UserError, nearest
from alexctl.report.result import Result
from alexctl.store.reference import reference_verdicts

__all__ = [
    "Result",
    "Stopped",
    "UserError",
    "ablate",
    "compare_results",
    "export",
    "load_results",
    "merge",
    "reference_verdicts",
    "stats",
    "write_report",
    "write_site",
]

if TYPE_CHECKING:
    import pandas as pd

    from alexctl.ablation.model import Ablation
    from alexctl.campaign.scheduler import Watcher


class Silent:
    """A watcher that shows nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **kwargs: None


def asked(
    name: str | Path,
    *,
    data: str | None = None,
    smoke: bool = False,
    seeds: int | None = None,
    studies: int | None = None,
    until_decided: bool = False,
    max_seeds: int | None = None,
    epochs: int | None = None,
    precision: str | None = None,
    preset: str | None = None,
    knobs: Mapping[str, Any] | None = None,
    run_code: bool = False,
) -> "Ablation":
    """The ablation that `ablate` would run with these words, checked; nothing is trained, and nets of one's own are
    imported with `run_code` alone. Raises UserError with a line a fault."""
    looks = looks_wanted(until_decided, max_seeds, seeds)
    flags = {"data": data, "seeds": seeds, "studies": studies, "epochs": epochs, "looks": looks, "precision": precision}
    flags = {key: value for key, value in flags.items() if value is not None}
    knobs = knobs or {}
    if twice := sorted(flags.keys() & knobs.keys()):
        raise UserError(*(f"--set {key}={knobs[key]}: {key} is given twice; give it once" for key in twice))
    return load(str(name), overrides={**knobs, **flags}, flags=flags, preset=preset, smoke=smoke, run_code=run_code)


def ablate(
    name: str | Path,
    *,
    data: str | None = None,
    smoke: bool = False,
    seeds: int | None = None,
    seed_range: str | None = None,
    studies: int | None = None,
    until_decided: bool = False,
    max_seeds: int | None = None,
    epochs: int | None = None,
    precision: str | None = None,
    preset: str | None = None,
    knobs: Mapping[str, Any] | None = None,
    results: str | Path = "results",
    folder_name: str | None = None,
    data_root: str | Path | None = None,
    device: str = "auto",
    devices: str | None = None,
    workers: int | None = None,
    threads: int = 1,
    lanes: int | None = None,
    retry_failed: bool = False,
    fail_fast: bool = False,
    wait: bool = True,
    checkpoint_seconds: float = 20.0,
    keep_weights: bool = False,
    keep_predictions: bool = False,
    watcher: "Watcher | None" = None,
) -> Result:
    """Runs an ablation, by its name or the path of its file, or goes on with it; the same words as `alexctl ablate`.

    `devices` such as `"cuda:0,cuda:1"` has nets in two towers run as two ranks, one on each.
    `knobs` are laid over the file's `[base]`, such as `{"batch_size": 64}`, and over those of a `preset`. Any number of
    processes may run the same campaign at the same time; with a `seed_range` such as `"6-11"` this one runs only these of
    the plan's seeds, and without `wait` it ends when others train all that is left. A trial that fails is recorded, and
    the others go on: see `Result.failed`. `watcher=alexctl.Screen()` shows what happens, in a notebook and in a log a line
    an event. Raises UserError for what can't work, a line a fault, and Stopped after Ctrl-C, when every running trial has
    its checkpoint.
    """
    ablation = asked(
        name, data=data, smoke=smoke, seeds=seeds, studies=studies, until_decided=until_decided, max_seeds=max_seeds,
        epochs=epochs, precision=precision, preset=preset, knobs=knobs, run_code=True,
    )  # fmt: skip
    share = None if seed_range is None else share_wanted(seed_range, ablation.plan)
    from alexctl.campaign.scheduler import Options  # from here on torch is needed; what is wrong with a file was said
    from alexctl.run import run
    from alexctl.trials.trial import Keeping

    options = Options(
        results=Path(results), name=folder_name, root=None if data_root is None else Path(data_root), device=device, devices=devices,
        workers=workers, threads=threads, lanes=lanes, share=share, retry_failed=retry_failed, fail_fast=fail_fast, waits=wait,
        keeping=Keeping(checkpoint_seconds=checkpoint_seconds, weights=keep_weights, predictions=keep_predictions),
    )  # fmt: skip
    return Result.of(run(ablation, options, watcher or Silent()))


def load_results(
    folder: str | Path = "results", name: str | None = None, *, problems: list[str] | None = None
) -> dict[str, Result]:
    """The campaigns in a results folder (or of one ablation there), by the names of their folders; writes nothing.

    `folder` may also be a single campaign's. UserError where there are none, or one is damaged; with a list of
    `problems` a damaged one is left out, and what is wrong with it is added there.
    """
    from alexctl.campaign.results import open_results

    return {each.folder.name: Result.of(each) for each in open_results(Path(folder), name, problems=problems)}


def merge(
    folders: Sequence[str | Path], into: str | Path, *, waiting: Callable[[str, int, int], None] = lambda *_: None
) -> tuple[dict[str, Result], list[str]]:
    """Puts results folders of many people together in a new one; those that are merged stay as they are.

    Returns the campaigns of the new folder by name, and notes: how many trials came from where, and what was left out. The
    same setting and seed twice is kept once where its rows are equal, seconds aside. Raises UserError, before anything is
    written, for folders that are no results and for campaigns of one name that ask different questions.
    """
    from alexctl.campaign import merging
    from alexctl.report.rebuild import rebuild_all

    into, problems = Path(into), []
    merged = merging.merge([Path(folder) for folder in folders], into, waiting=waiting)
    notes = [line for each in merged for line in (str(each), *each.notes)]
    rebuild_all(into, problems=problems)
    found = load_results(into, problems=(unread := []))
    return found, list(dict.fromkeys((*notes, *problems, *unread)))


def compare_results(a: str | Path, b: str | Path, *, problems: list[str] | None = None) -> dict[str, Any]:
    """Two results folders, or two campaigns (a campaign's folder, or FOLDER:NAME), side by side; writes nothing.

    Of each campaign in both: `arms` with effect, interval and verdict of each side and whether they `agree` (same verdict,
    and intervals that overlap; None where one is undecided or that can't be told), what differs in the `question`, what each was `made_with`,
    and how many `trials` are in both. Raises UserError where nothing can be compared; a damaged campaign is left out, and
    with a list of `problems` named there.
    """
    from alexctl.campaign.results import open_place
    from alexctl.verdicts.side_by_side import side_by_side

    faults: list[str] = []
    sides = [open_place(place, problems=faults) for place in (a, b)]
    if faults and problems is None:
        raise UserError(*faults)
    if problems is not None:
        problems += faults
    return {"a": str(a), "b": str(b), **side_by_side(*sides)}


def export(name: str, to: str, folder: str | Path, *, results: str | Path = "results") -> int:
    """Writes the trials of a campaign as runs of `tensorboard`, `mlflow` or `wandb` into a new folder; how many.

    Nothing is sent anywhere. UserError where there is no such campaign, the folder holds anything, or the package that
    writes that format is not installed.
    """
    from alexctl.campaign.results import open_one
    from alexctl.report import exports

    if to not in exports.WRITERS:
        raise UserError(f"export to '{to}': {nearest(to, exports.WRITERS)}")
    return exports.export(open_one(Path(results), name), to, Path(folder))


def stats(
    runs: "str | Path | pd.DataFrame",
    *,
    arm: str,
    measure: str,
    pair: str | None = None,
    unpaired: bool = False,
    control: str | None = None,
    where: Sequence[str] = (),
    scale: Literal["difference", "points", "ratio"] = "difference",
    higher_is_better: bool | None = None,
    claim: float | None = None,
    margin: float | None = None,
) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """The same statistics for anybody's runs, a CSV file or a frame with a row per run; the words of `alexctl stats`.

    `arm`, `pair` and `measure` name columns: a run's arm, what pairs runs across arms (such as the seed), and what is
    compared. `unpaired` instead of a `pair` compares runs that share nothing, by Welch's t. Returns a line for each arm
    against the control, as in verdict.json, and notes on what was taken for granted or left out. `stands` says of what
    was found whether it stands after Holm's correction for all lines. UserError for a table or an option that can't be
    meant.
    """
    from alexctl.verdicts.csv_runs import read
    from alexctl.verdicts.from_csv import compare

    source = Path(runs) if isinstance(runs, str | Path) else runs
    found = read(source, arm=arm, pair=pair, measure=measure, scale=scale, where=where, unpaired=unpaired)
    return compare(found, control=control, claim=claim, margin=margin, higher_is_better=higher_is_better)


def write_report(
    folder: str | Path = "results", name: str | None = None, *, reference: bool = False, pdf: bool = False
) -> tuple[Path, tuple[str, ...]]:
    """Rebuilds tables and figures of the campaigns in a results folder and writes one page: its path, and notes.

    With `reference` the page is of the results that come with alexctl; with `pdf` each figure is also there as a PDF for a
    paper's column, and kept up to date from then on. A damaged campaign is left out, with a note. Where
    the folder can't be written the page shows the tables that lie there, and is written to a temporary folder.
    UserError where there are no results, or none that can be read.
    """
    from alexctl.report.page import write_page, write_reference_page
    from alexctl.report.rebuild import rebuild_all

    folder, problems = Path(folder), []
    if reference:
        return write_reference_page(folder, name), ()
    try:
        paths = [tables.folder for tables in rebuild_all(folder, name, problems=problems, pdf=pdf)]
    except StorageError as error:
        reason = str(error).partition(";")[0]
        problems.append(f"{reason}, so the page shows tables and figures as they are in {folder}")
        paths = None
    page = write_page(folder, name, paths, problems=problems)
    return page, tuple(problems)


def write_site(
    site: str | Path, folder: str | Path = "results", *, reference: bool = False, pdf: bool = False
) -> tuple[Path, tuple[str, ...]]:
    """Rebuilds what is derived in a results folder and writes it as a static site: its first page, and notes.

    The site has a page of all claims, one of each, and a history to which verdicts are added as they change. With
    `reference` it is of the results that come with alexctl. UserError as `write_report`, and where `site` is neither
    empty nor a site of alexctl's. `pdf` as there.
    """
    from alexctl.report import site as site_
    from alexctl.report.rebuild import rebuild_all
    from alexctl.store.reference import reference as reference_campaigns

    folder, site, problems = Path(folder), Path(site), []
    site_.check(site)
    if reference:
        return site_.write(site, reference_campaigns()), ()
    paths = [tables.folder for tables in rebuild_all(folder, problems=problems, pdf=pdf)]
    return site_.write(site, paths, problems=problems), tuple(problems)
