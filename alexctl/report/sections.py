"""From a campaign's folder to what its section of the page shows: plain dictionaries, every number traced to its file."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from alexctl import numbers
from alexctl.ablation.knobs import PROXIES
from alexctl.ablation.measures import MEASURES, Measure
from alexctl.errors import printable
from alexctl.figures.palette import ARMS
from alexctl.figures.styles import arm_styles
from alexctl.report.command import remake
from alexctl.report.forest_plot import axis_row, seed_row, value_axis
from alexctl.report.image_tables import image_tables
from alexctl.report.traced import ResultsFolder, Traced
from alexctl.store import layout
from alexctl.store.environment import CLOCK, clock

KINDS = {  # verdict -> (class in page.css, symbol): never told apart by colour alone
    "supported": ("yes", "✓"), "contradicted": ("no", "✕"), "no difference": ("same", "≈"),
    "undecided": ("open", "?"), "nothing learned": ("void", "∅"),
}  # fmt: skip
EXTRAS = {  # what newer verdicts hold beside the effect, shown where it is
    "p_value": "p (Student’s t)", "sign_flip_p": "p (exact sign flips)", "sign_flip_note": "sign flips",
    "correlation": "correlation of the pairs", "smallest_effect": "smallest detectable effect",
}  # fmt: skip
TRIAL, SEED = ("trial",), ("arm", "phase", "seed")


def kind_of(verdict: str) -> tuple[str, str]:
    """(class, symbol) of a verdict in words."""
    return KINDS.get(verdict.split(",")[0], ("void", "–"))


def size(scale: str) -> Callable[[float], str]:
    """How an effect is written."""
    return lambda value: numbers.typographic(numbers.effect(value, scale))


def unsigned(value: float) -> str:
    """A number of points beside whose sign words stand: '1.5'."""
    return f"{abs(value):g}"


def in_words(
    scale: str, *, interaction: bool = False, form: Callable[[float], str] | None = None
) -> Callable[[float], str]:
    """How the page writes an effect: a ratio, or points with the side in words, '2.59 higher' for -2.59.

    A difference is control minus arm, so above 0 the arm's error is lower. An interaction has no side and keeps its sign.
    `form` writes the number, else as measured effects are written.
    """
    form = form or size(scale)
    if scale != "points" or interaction:
        return form
    return lambda value: f"{form(value).lstrip('+−')} {'lower' if value >= 0 else 'higher'}" if value else form(value)


def claimed_size(scale: str) -> Callable[[float], str]:
    """How a claimed effect is written."""
    return lambda value: numbers.typographic(numbers.claimed(value, scale))


def comparisons(folder: ResultsFolder) -> list[dict[str, Any]]:
    """One entry a comparison of the verdict: its words, its numbers as Traced and, for the drawing, as they are."""
    verdict = folder.json(layout.VERDICT)
    entries = []
    for i, line in enumerate(verdict["comparisons"]):

        def at(*keys: str | int, form: Callable[[Any], str] = str, i: int = i) -> Traced | None:
            return folder.at(layout.VERDICT, "comparisons", i, *keys, form=form)

        control = at("control") if "control" in line else folder.at(layout.VERDICT, "control")  # as older ones have it
        form, arm = in_words(line["scale"], interaction=control is None), line["arm"]
        as_claimed = in_words(line["scale"], interaction=control is None, form=claimed_size(line["scale"]))
        claimed = at("claimed", form=as_claimed) or _claimed(folder, arm, as_claimed)
        kind, symbol = kind_of(line["verdict"])
        values = [at("values", j, form=form) for j in range(len(line["values"]))]
        entries.append({
            "id": f"{folder.id}-{i}", "arm": at("arm"), "control": control,
            "verdict": at("words") or at("verdict"), "conditions": at("conditions"), "kind": kind, "symbol": symbol,
            "sentence": _parted(at("sentence"), line.get("words") or line["verdict"]), "scale": line["scale"], "n": at("n"),
            "effect": at("effect", form=form), "low": at("low", form=form), "high": at("high", form=form),
            "bound": line.get("bound") or "exact", "level": at("level", form=numbers.level),
            "claimed": claimed, "values": values, "seeds": line["seeds"], "line": line,
            "claimed_size": float(claimed.value) if claimed else None,
            "claimed_range": verdict["claim"].get("effect_range"),
            "extras": [(words, found) for key, words in EXTRAS.items() if (found := at(key, form=_extra)) is not None],
        })  # fmt: skip
    return entries


def _parted(sentence: Traced, verdict: str) -> tuple[Traced, Traced]:
    """A verdict's sentence in two: the verdict itself, which it begins with, and the rest."""
    length = len(verdict) if sentence.text.lower().startswith(verdict) else 0
    return replace(sentence, text=sentence.text[:length]), replace(sentence, text=sentence.text[length:])


def _claimed(folder: ResultsFolder, arm: str, form: Callable[[float], str]) -> Traced | None:
    """The claimed size as older verdicts have it."""
    found = folder.json(layout.VERDICT)["claim"].get("effect")
    keys = ("effect", arm) if isinstance(found, dict) else ("effect",)
    return folder.at(layout.VERDICT, "claim", *keys, form=form)


def _extra(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.2g}" if isinstance(value, float) else str(value)


def section(folder: ResultsFolder) -> dict[str, Any]:
    """All that a campaign's section shows, but for its drawings of the effect and its figures."""
    verdict, plan = folder.json(layout.VERDICT), folder.json(layout.PLAN)

    def at(*keys: str | int) -> Traced | None:
        return folder.at(layout.VERDICT, *keys)

    measure = MEASURES[verdict["measure"]]
    claim, command = verdict["claim"], remake(plan)
    source = at("claim", "source") if claim.get("source", "the paper") != "the paper" else None
    smoke = bool(plan["ablation"].get("smoke"))
    used = machines(folder)
    return {
        "id": folder.id, "folder": printable(folder.name), "name": folder.word(verdict["ablation"], layout.VERDICT), "title": at("title"),
        "measure": measure.label, "measure_name": measure.name, "planned_by": str(plan.get("git_commit") or "")[:8], "says": at("claim", "says"), "section": at("claim", "section"),
        "source": source, "paper": bool(claim.get("paper")), "claim_data": at("claim", "data"), "data": at("data"), "digest": at("data_digest"),
        "proxy": not smoke and verdict["data"] != claim["data"], "smoke": smoke, "note": at("note"),
        "older": at("older"), "rates": at("rates"),
        "proxy_nets": [] if smoke else [folder.word(net, layout.PLAN) for net in _proxies(plan["ablation"])],
        "drawn_arm": folder.word(_subject(plan["ablation"]), layout.PLAN),
        "noise_floor": plan["ablation"].get("varies") == ["seed_offset"],
        "landmarks": [(folder.word(arm, layout.VERDICT), folder.at(layout.VERDICT, "claim", "landmarks", arm, form=lambda v: f"{v:g}"))
                      for arm in claim.get("landmarks", {})],
        "interval": at("interval"), "comparisons": comparisons(folder), "machines": used,
        "mixed": measure.one_machine and len({one["clock"] for one in used}) > 1,
        "arms": _arms(folder, measure), "lost": _lost(folder), **_seeds(folder, measure), **image_tables(folder),
        "command": [folder.word(word, layout.PLAN) for word in command.words], "notes": command.notes,
    }  # fmt: skip


def _proxies(planned: dict[str, Any]) -> list[str]:
    return sorted({{**planned["base"], **knobs}["net"] for knobs in planned["arms"].values()} & PROXIES)


def _subject(planned: dict[str, Any]) -> str:
    """As Ablation.subject, of a plan that need not be read whole."""
    control = planned["control"]
    own = isinstance(control, dict)
    return min(
        (arm for arm in planned["arms"] if (arm in control if own else arm != control)), default=min(planned["arms"])
    )


def _controls(folder: ResultsFolder) -> set[str]:
    """The arms that others are held against; older verdicts have the one for all."""
    verdict = folder.json(layout.VERDICT)
    return {line.get("control") or verdict["control"] for line in verdict["comparisons"]} or {verdict["control"]}


def _arms(folder: ResultsFolder, measure: Measure) -> dict[str, Any]:
    """The table of arms, without the columns that hold nothing."""
    form = measure.written
    columns = {
        "lr": ("learning rate", lambda v: f"{v:g}"), "n": ("seeds", lambda v: f"{v:g}"), "median": ("median", form),
        "mean": ("mean", form), "spread": ("standard deviation", form), "num_censored": ("censored", "{:g}".format),
        "num_diverged": ("diverged or at chance", "{:g}".format), "num_failed": ("failed", "{:g}".format),
        "parameters": ("parameters", lambda v: f"{v:,.0f}"),
    }  # fmt: skip
    rows = folder.summary
    further = [MEASURES[name] for name in (rows[0] if rows else ()) if name in MEASURES]
    columns |= {one.name: (f"mean {one.label}", one.written) for one in further}
    shown = [c for c in columns if any(row.get(c, "") not in ("", "0") for row in rows) or c == "n"]
    controls = _controls(folder)
    return {
        "columns": [columns[column][0] for column in shown],
        "rows": [
            {
                "arm": folder.word(row["arm"], layout.SUMMARY_CSV), "control": row["arm"] in controls,
                "cells": [folder.cell(layout.SUMMARY_CSV, row, column, ("arm",), columns[column][1]) for column in shown],
            }
            for row in rows
        ],
    }  # fmt: skip


def _seeds(folder: ResultsFolder, measure: Measure) -> dict[str, Any]:
    """Every reported trial's value, with several budgets at the largest: a table, a line a seed and a column an arm, and
    the same as dots.
    """
    final = [row for row in folder.trials if row["phase"] == "final"]
    keys = SEED
    if final and "budget" in final[0]:
        keys, largest = (*SEED, "budget"), max(float(row["budget"]) for row in final)
        final = [row for row in final if float(row["budget"]) == largest]
    seeds = sorted({int(row["seed"]) for row in final})
    control, controls = folder.json(layout.VERDICT)["control"], _controls(folder)
    arms = sorted(dict.fromkeys(row["arm"] for row in final), key=lambda arm: (arm != control, arm))
    effects = [dict(zip(entry["seeds"], entry["values"], strict=True)) for entry in comparisons(folder)]
    cells: dict[tuple[str, int], Traced | str] = {}
    for row in final:
        done = row["status"] == "done"
        value = folder.cell(layout.TRIALS_CSV, row, measure.name, keys, measure.written) if done else None
        cells[row["arm"], int(row["seed"])] = value or _without_value(row) or "not finished"
    values = [float(cell.value) for cell in cells.values() if isinstance(cell, Traced)]
    table = {
        "seed_arms": [folder.word(arm) for arm in arms],
        "seeds": [
            {
                "seed": Traced(text=str(seed), file=f"{folder.name}/{layout.TRIALS_CSV}", at=f"seed={seed}:seed", value=str(seed)),
                "cells": [cells.get((arm, seed), "not run") for arm in arms],
                "effects": [values.get(seed) for values in effects],
            }
            for seed in seeds
        ],
        "dots": [], "dots_axis": None,
    }  # fmt: skip
    if not values:
        return table
    axis = value_axis(values)
    medians = {row["arm"]: row.get("median") for row in folder.summary}
    styles = arm_styles(arms, folder.json(layout.PLAN)["ablation"]["control"])
    for i, arm in enumerate(arms):
        mine = [(k, cells.get((arm, seed))) for k, seed in enumerate(seeds)]
        drawn = seed_row(
            axis, label=f"{folder.id}-arm-{i}", seeds=len(seeds), median=float(medians[arm]) if medians[arm] else None,
            values=[(k, float(cell.value)) for k, cell in mine if isinstance(cell, Traced)],
            lost=[k for k, cell in mine if cell in ("censored", "diverged")],
        )  # fmt: skip
        drawn_as = styles[arm]["color"]
        colour = f"arm-{ARMS.index(drawn_as) + 1}" if drawn_as in ARMS else ""  # as in the figures
        table["dots"].append({
            "arm": folder.word(arm), "control": arm in controls, "colour": colour, "id": f"{folder.id}-arm-{i}", "svg": drawn,
        })  # fmt: skip
    table["dots_axis"] = axis_row(axis, (lambda v: f"{100 * v:g}%") if measure.percent else "{:g}".format)
    return table


def _without_value(row: dict[str, str]) -> str | None:
    """How a trial ended that has no value to compare: diverged, failed or censored; None where it is not so."""
    if row["status"] in ("diverged", "failed"):
        return row["status"]
    return "censored" if row["censored"] == "true" and row["phase"] == "final" else None


def _lost(folder: ResultsFolder) -> list[dict[str, Any]]:
    """The trials that failed, diverged or never met their target, each with the reason there is."""
    lost = []
    for row in folder.trials:
        if outcome := _without_value(row):
            lost.append({
                "trial": folder.word(row["trial"]), "outcome": outcome, "phase": row["phase"],
                "epochs": folder.cell(layout.TRIALS_CSV, row, "epochs_run", TRIAL, "{:.3g}".format),
                "error": folder.word(row["error"]) if row.get("error") else None,
            })  # fmt: skip
    return lost


def machines(folder: ResultsFolder) -> list[dict[str, Any]]:
    """The different machines and versions, in the order of their trials, every word traced to the first trial there.

    `clock` is the same for two whose seconds may be compared; `commits` are (commit, whether changed since) of the code.
    """
    found: dict[str, dict[str, Any]] = {}
    for row in folder.trials:
        name = f"{layout.TRIALS}/{row['trial']}/{layout.ENV}"
        if not folder.has(name):
            continue
        env = folder.json(name)
        packages, commit = env.get("packages", {}), folder.at(name, "git_commit", form=lambda commit: commit[:8])
        alike = {key: value for key, value in env.items() if key not in ("schema", "git_commit", "git_dirty")}
        one = found.setdefault(repr(sorted(alike.items())), {
            "clock": clock(env),
            **{part: folder.at(name, part) for part in (*CLOCK, "ranks", "backend", "precision", "alexctl", "python")},
            "packages": [(package, folder.at(name, "packages", package)) for package in packages],
            "commits": {},
        })  # fmt: skip
        if commit:
            one["commits"].setdefault((commit.text, bool(env.get("git_dirty"))), commit)
    for one in found.values():
        one["commits"] = [(commit, changed) for (_, changed), commit in one["commits"].items()]
    return list(found.values())
