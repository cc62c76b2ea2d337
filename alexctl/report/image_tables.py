"""What the page shows of test images one by one, and of first kernels: plain dictionaries, every number traced to its file."""

from collections.abc import Callable
from typing import Any

from alexctl.report.traced import ResultsFolder
from alexctl.store import layout

Form = Callable[[Any], str]


def _percent(value: float) -> str:
    return f"{100 * value:.2f}%"


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _p(value: float) -> str:
    return f"{value:.2g}"


PAIRS = {
    "control_error": ("error of the control", _percent), "arm_error": ("error of the arm", _percent),
    "only_control_wrong": ("only the control wrong", _count), "only_arm_wrong": ("only the arm wrong", _count),
    "mcnemar_mid_p": ("mid-p", _p), "mcnemar_exact_p": ("exact p", _p),
}  # fmt: skip
KERNELS = {
    "num_kernels": ("kernels", _count), "num_coloured": ("coloured", _count), "colour_share": ("share of energy", _percent),
}  # fmt: skip
ARMS = {
    "n": ("nets", str), "agreement": ("two agree on", _percent), "kappa": ("kappa", "{:.3f}".format),
    "one_error": ("error of one", _percent), "ensemble_size": ("nets averaged", str),
    "ensemble_error": ("error of their average", _percent),
}  # fmt: skip


def image_tables(folder: ResultsFolder) -> dict[str, Any]:
    """`images` and `kernels` of a campaign's section; None where its trials kept nothing of the kind."""
    return {"images": _images(folder), "kernels": _kernels(folder)}


def _images(folder: ResultsFolder) -> dict[str, Any] | None:
    found = folder.json(layout.VERDICT).get("images")
    if not found:
        return None

    def at(*keys: str | int, form: Form = str):
        return folder.at(layout.VERDICT, "images", *keys, form=form)

    rows = folder.table(layout.IMAGES_CSV) if found["comparisons"] else []
    shown = [key for key in ARMS if any(line[key] is not None for line in found["arms"])]
    return {
        "sentences": [
            (at("comparisons", i, "arm"), at("comparisons", i, "control"), at("comparisons", i, "sentence"))
            for i in range(len(found["comparisons"]))
        ],
        "pair_columns": [words for words, _ in PAIRS.values()],
        "pairs": [
            {
                "arm": folder.word(row["arm"], layout.IMAGES_CSV), "control": folder.word(row["control"], layout.IMAGES_CSV),
                **_cells(folder, layout.IMAGES_CSV, row, ("arm", "seed"), PAIRS),
            }
            for row in rows
        ],
        "arm_columns": [ARMS[key][0] for key in shown],
        "arms": [
            {"arm": at("arms", i, "arm"), "cells": [at("arms", i, key, form=ARMS[key][1]) for key in shown]}
            for i in range(len(found["arms"]))
        ],
    }  # fmt: skip


def _kernels(folder: ResultsFolder) -> dict[str, Any] | None:
    if not folder.has(layout.KERNELS_CSV):
        return None
    keys = ("arm", "seed", "tower")
    return {
        "columns": [words for words, _ in KERNELS.values()],
        "rows": [
            {
                "arm": folder.word(row["arm"], layout.KERNELS_CSV),
                "tower": folder.cell(layout.KERNELS_CSV, row, "tower", keys, _count),
                **_cells(folder, layout.KERNELS_CSV, row, keys, KERNELS),
            }
            for row in folder.table(layout.KERNELS_CSV)
        ],
    }  # fmt: skip


def _cells(
    folder: ResultsFolder, table: str, row: dict[str, str], keys: tuple[str, ...], columns: dict[str, tuple[str, Form]]
) -> dict[str, Any]:
    return {
        "seed": folder.cell(table, row, "seed", keys, _count),
        "cells": [folder.cell(table, row, column, keys, form) for column, (_, form) in columns.items()],
    }


def sentences(verdict: dict[str, Any]) -> list[str]:
    """The effects over seeds and images together, as a table for other pages has them below it."""
    lines = (verdict.get("images") or {}).get("comparisons", ())
    return [f"{line['arm']} against {line['control']}: {line['sentence']}" for line in lines]
