"""The one page: every claim's verdict, then each ablation with its figures, seeds and files, in a single HTML file.

It is made from what lies in a results folder and from nothing else: the same files give the same bytes. It asks no
network for anything, and its content security policy allows it none, and no script but its own.
"""

import base64
import gzip
import hashlib
import re
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from alexctl.errors import StorageError, UserError
from alexctl.figures import palette
from alexctl.report.embed_svg import inline
from alexctl.report.forest_plot import axis_row, effect_axis, effect_row
from alexctl.report.headline import headline, in_order
from alexctl.report.sections import section, unsigned
from alexctl.report.traced import ResultsFolder, Traced
from alexctl.store import files, layout
from alexctl.store.reference import campaigns, reference
from alexctl.verdicts.overview import overview

LIMIT = 2_900_000
"""Bytes a page may have: mail programs and chats take 3 MB."""

HERE = Path(__file__).parent
DOWNLOADS = (  # file, what a line of it is; the last is the largest, and goes as gzip
    (layout.SUMMARY_CSV, "arm"), (layout.TRIALS_CSV, "trial"), (layout.SURVIVAL_CSV, "step of an arm’s survival curve"),
    (layout.BUDGETS_CSV, "arm at one budget"), (layout.IMAGES_CSV, "pair of trials, image by image"),
    (layout.BY_CLASS_CSV, "class"), (layout.ENSEMBLES_CSV, "number of nets averaged"), (layout.KERNELS_CSV, "tower of a trial"),
    (layout.PREDICTIONS_CSV, "image and probable class"), (layout.NEIGHBOURS_CSV, "test image and near training image"),
    (layout.VERDICT, "the comparison and its claim"),
    (layout.PLAN, "the plan: what was compared"), (layout.CURVES_CSV, "measurement of a trial"),
)  # fmt: skip
FIGURES = (  # the one that a reader would miss most comes first
    layout.FIGURE, layout.BUDGETS, layout.NET, layout.KERNELS, layout.SURVIVAL, layout.SEARCH, layout.PREDICTIONS, layout.NEIGHBOURS,
)  # fmt: skip
FIRST_LEFT_OUT = (layout.CURVES_CSV, layout.TRIALS_CSV, *map(layout.svg, reversed(FIGURES)))  # of a page too large


@dataclass(kw_only=True)
class Part:
    """A file that stands whole in the page, unless there is no room for it."""

    file: str
    what: str = ""
    content: Markup | str = ""
    name: str = ""
    left_out: bool = field(default=False)
    problem: str = ""  # why it can't be shown


def page(
    paths: Sequence[Path], *, among_all: bool = True, limit: int = LIMIT, problems: list[str] | None = None
) -> str:
    """The HTML of these campaign folders; UserError where a table in one is missing or damaged.

    `among_all`, `problems` as in `read`.
    """
    sections = read(paths, among_all=among_all, problems=problems)
    for one in sections:
        one |= {"href": f"#{one['id']}", "back": "#claims"}
    about = {"groups": groups(sections), "headline": headline(sections)}
    return within(limit, sections, lambda: render("page.html", sections=sections, **about))


def within(limit: int, sections: list[dict[str, Any]], make: Callable[[], str]) -> str:
    """A page of these sections, from which files and figures are left out where it would have more than `limit` bytes."""
    html = make()
    if (excess := len(html.encode()) - limit) > 0 and _leave_out(sections, excess):
        html = make()
    return html


def read(paths: Sequence[Path], *, among_all: bool = True, problems: list[str] | None = None) -> list[dict[str, Any]]:
    """What pages show of these campaign folders, in their order; UserError where a table in one is missing or damaged.

    `among_all`: they are all that a results folder holds, so each claim is also judged as one of them. With a list of
    `problems` such a folder is left out, and what is wrong with it is added there, as is each figure and file that the
    page has to go without.
    """
    sections, folders, faults = [], [], []
    for folder in _folders(paths):
        try:
            sections.append(_section(folder))
            folders.append(folder)
        except UserError as error:
            faults += error.faults
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError):  # each reads, together they don't
            faults.append(
                f"{folder.name}: its tables do not fit together; `alexctl report` makes them again from the trials"
            )
    if faults and (problems is None or not sections):
        raise UserError(*faults)
    if problems is not None:
        parts = ((one["folder"], part) for one in sections for part in (*one["figures"].values(), *one["downloads"]))
        problems += [*faults, *(_without(name, part) for name, part in parts if part.problem)]
    if among_all:
        _stand(sections, overview((folder.name, folder.json(layout.VERDICT)) for folder in folders))
    return in_order(sections)


def _section(folder: ResultsFolder) -> dict[str, Any]:
    """What the page shows of one campaign: its section, its figures and its files to download."""
    one = section(folder)
    one["downloads"] = [_download(folder, name, what) for name, what in DOWNLOADS if folder.has(name)]
    stems = (layout.SEARCH,) if one["mixed"] else FIGURES  # the search counts epochs, not seconds
    one["figures"] = {stem: _figure(folder, stem) for stem in stems if folder.has(layout.svg(stem))}
    return one


def write(path: Path, paths: Sequence[Path], *, among_all: bool = True) -> Path:
    """Writes the page of these campaign folders, whole or not at all."""
    files.write_atomic(path, page(paths, among_all=among_all))
    return path


def _stand(sections: list[dict[str, Any]], lines: list[dict[str, Any]]) -> None:
    """Adds to each comparison whether it stands among all of them, where there are several."""
    if sum(line["p_holm"] is not None for line in lines) < 2:
        return
    for entry, line in zip((entry for one in sections for entry in one["comparisons"]), lines, strict=True):
        if line["p_holm"] is not None:
            at = f"results={line['results']},arm={line['arm']}:p_holm"
            p = Traced(text=f"{line['p_holm']:.2g}", file=layout.OVERVIEW, at=at, value=repr(line["p_holm"]))
            entry["extras"] += [("p after Holm, over all claims", p)]
            entry["extras"] += [
                ("survives correction for all claims", Traced(text=line["stands"], file=layout.OVERVIEW))
            ]


def _folders(paths: Sequence[Path]) -> list[ResultsFolder]:
    """The folders, each with an id that an address and an attribute can hold."""
    folders, taken = [], set()
    for path in paths:
        stem = identity = re.sub(r"[^A-Za-z0-9.-]+", "_", path.name)
        while identity.casefold() in taken:  # of a site they are the names of files
            identity = f"{stem}_{len(taken)}"
        taken.add(identity.casefold())
        folders.append(ResultsFolder(path, id=identity))
    return folders


def render(template: str, **about: Any) -> str:
    """A page by its template, with our style and script."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    css = Markup(palette.css() + (HERE / "page.css").read_text(encoding="utf-8"))
    return environment.get_template(template).render(css=css, **about, **_script())


def _script() -> dict[str, Markup]:
    """The page's script, and its digest as a content security policy names it."""
    script = (HERE / "page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return {"script": Markup(script), "script_digest": Markup(digest)}


def groups(sections: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All comparisons by scale, ratios and points on an axis each; the checks of the instrument apart, after the claims."""
    groups = []
    for check, scale in ((False, "ratio"), (False, "points"), (True, "ratio"), (True, "points")):
        of_kind = [one for one in sections if one["noise_floor"] == check]
        entries = [(one, entry) for one in of_kind for entry in one["comparisons"] if entry["scale"] == scale]
        if not entries:
            continue
        drawn = [entry for _, entry in entries if entry["values"] and entry["bound"] != "none"]
        if drawn:
            axis = _axis(drawn, scale)
            for entry in drawn:
                entry["svg"] = _row(axis, entry)
            numbers = axis_row(axis, "{:g}".format if scale == "ratio" else unsigned)
        groups.append({"check": check, "scale": scale, "entries": entries, "axis": numbers if drawn else None})
    return groups


def _axis(entries: list[dict[str, Any]], scale: str):
    sizes, ends = [], []
    for entry in entries:
        line, claimed = entry["line"], entry["claimed_size"]
        sizes += [] if claimed is None else [claimed]
        ends += [end for end in (line["low"], line["high"]) if end is not None]
        sizes += [line["effect"]] if entry["bound"] == "exact" else ends[-1:]
        ends += line["values"] if line["low"] is None and line["high"] is None else []
    return effect_axis(sizes, ends, scale)


def _row(axis, entry: dict[str, Any]) -> Markup:
    line = entry["line"]
    return effect_row(
        axis, label=f"{entry['id']}-words", estimate=line["effect"], low=line["low"], high=line["high"],
        bound=entry["bound"], values=line["values"], claimed=entry["claimed_size"],
        claimed_range=entry["claimed_range"], margin=line.get("margin"),
    )  # fmt: skip


def _figure(folder: ResultsFolder, stem: str) -> Part:
    name = layout.svg(stem)
    try:  # the ids in it are none of the page's own, which have no colon
        return Part(file=name, content=inline(folder.path / name, f"{folder.id}-{stem}:", f"{folder.id}-{stem}-title"))
    except ValueError as error:
        return Part(file=name, problem=str(error))


def _without(folder: str, part: Part) -> str:
    """What to tell of a file that the page has to go without."""
    again = "ablate" if part.file == layout.svg(layout.NET) else "report"
    return f"{folder}: {part.problem}, so the page goes without it; delete it, and `alexctl {again}` makes it again"


def _download(folder: ResultsFolder, name: str, what: str) -> Part:
    """A file as an address that holds it: what a browser saves under the name."""
    try:
        data = files.read_bytes(folder.path / name)
    except ValueError as error:
        return Part(file=name, what=what, problem=str(error))
    kind = "application/json" if name.endswith(".json") else "text/csv"
    saved = f"{folder.id}-{name}"
    if name == layout.CURVES_CSV:
        data, kind, saved = gzip.compress(data, mtime=0), "application/gzip", saved + ".gz"
    return Part(file=name, what=what, name=saved, content=f"data:{kind};base64,{base64.b64encode(data).decode()}")


def _leave_out(sections: list[dict[str, Any]], excess: int) -> bool:
    """Leaves out what a reader misses least, the largest first, until the page is that many bytes shorter."""
    parts = [part for one in sections for part in (*one["downloads"], *one["figures"].values())]
    parts = [part for part in parts if part.file in FIRST_LEFT_OUT and not part.problem]
    for part in sorted(parts, key=lambda part: (FIRST_LEFT_OUT.index(part.file), -len(part.content))):
        if excess <= 0:
            break
        part.left_out = True
        excess -= len(part.content) - 200  # a sentence stands in its place
    return bool(parts)


def write_page(
    folder: Path, name: str | None = None, paths: Sequence[Path] | None = None, *, problems: list[str] | None = None
) -> Path:
    """Writes a results folder's page: report.html, or NAME-report.html of one ablation; `paths` are its campaigns."""
    file = f"{name}-{layout.REPORT}" if name else layout.REPORT
    paths = campaigns(folder, name) if paths is None else paths
    return _write_there_or_apart(folder / file, paths, among_all=name is None, problems=problems)


def write_reference_page(folder: Path, name: str | None = None) -> Path:
    """Writes the page of the reference results into a results folder."""
    file = f"{name}-{layout.REFERENCE_REPORT}" if name else layout.REFERENCE_REPORT
    return _write_there_or_apart(folder / file, reference(name), among_all=name is None)


def _write_there_or_apart(file: Path, campaigns: Sequence[Path], **how: Any) -> Path:
    """Writes a page, in a temporary folder where its own can't be written; gives the file."""
    text = page(campaigns, **how)
    try:
        files.make_folder(file.parent)
        files.write_atomic(file, text)
    except StorageError:
        file = Path(tempfile.mkdtemp(prefix="alexctl-")) / file.name
        files.write_atomic(file, text)
    return file
