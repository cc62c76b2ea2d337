"""What a campaign's nets make of the same test images, and how coloured their first kernels are: tables and sentences."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from alexctl import statistics
from alexctl.statistics import Outcome
from alexctl.statistics import images as by_image
from alexctl.store import layout, test_images
from alexctl.store.records import TrialRecord
from alexctl.store.test_images import Labels
from alexctl.verdicts.evidence import Evidence
from alexctl.verdicts.sentences import with_other_images

COLUMNS = {
    layout.IMAGES_CSV: (
        "ablation", "arm", "control", "seed", "num_images", "control_error", "arm_error", "only_control_wrong",
        "only_arm_wrong", "mcnemar_exact_p", "mcnemar_mid_p",
    ),
    layout.BY_CLASS_CSV: (
        "ablation", "arm", "control", "class", "num_images", "n", "control_error", "arm_error", "effect", "low", "high",
        "p_value", "p_holm",
    ),
    layout.ENSEMBLES_CSV: ("ablation", "arm", "size", "num_subsets", "error", "top5_error"),
    layout.KERNELS_CSV: ("ablation", "arm", "seed", "tower", "num_kernels", "num_coloured", "colour_share"),
}  # fmt: skip
Seen = dict[str, dict[int, np.ndarray]]  # by arm and seed: (test images,) bool, which were right


@dataclass(kw_only=True)
class Images:
    """Frames by the names of their files, none empty; what verdict.json has of them; what had to be left out and why."""

    frames: dict[str, pd.DataFrame] = field(default_factory=dict)
    summary: dict[str, Any] | None = None
    notes: tuple[str, ...] = ()


def images(evidence: Evidence) -> Images:
    """All that is made of the trials that are judged, as far as they kept what it takes."""
    notes: list[str] = []
    done = [r for r in evidence.judged if r.state == "done"]
    records = [r for r in done if _learned(evidence, r)]
    right: Seen = {}
    for record in records:
        if record.right is not None:
            right.setdefault(record.arm, {})[record.seed] = record.right.array()
    sizes = {len(each) for seeds in right.values() for each in seeds.values()}
    if len(sizes) > 1:
        counts = " and ".join(f"{size:,}" for size in sorted(sizes))
        notes.append(f"trials were tested on {counts} images, so they are not compared image by image")
        right = {}
    labels = _labels(evidence, sizes, notes) if right else None
    ensembles = _ensembles(evidence, records, labels, notes) if labels else []
    rows = {
        layout.IMAGES_CSV: [row for pair in _pairs(evidence, right) for row in _mcnemar(evidence, right, *pair)],
        layout.BY_CLASS_CSV: [
            row for pair in _pairs(evidence, right) if labels for row in _by_class(evidence, right, labels, *pair)
        ],
        layout.ENSEMBLES_CSV: ensembles,
        layout.KERNELS_CSV: _kernels(evidence, done),
    }
    frames = {name: pd.DataFrame(lines, columns=COLUMNS[name]) for name, lines in rows.items() if lines}
    return Images(
        frames=frames,
        summary=_summary(evidence, right, ensembles, sizes.pop()) if right else None,
        notes=tuple(f"{evidence.folder.name}: {note}" for note in notes),
    )


def _learned(evidence: Evidence, record: TrialRecord) -> bool:
    """Whether a trial is none of those that diverged or ended at chance."""
    said = evidence.outcome(record)
    return said is not None and not said.diverged


def _labels(evidence: Evidence, sizes: set[int], notes: list[str]) -> Labels | None:
    about = {"data_digest": evidence.data_digest, "num_classes": evidence.num_classes}
    try:
        labels = test_images.read_labels(evidence.folder, **about)
        if labels is not None and {len(labels.labels)} != sizes:
            raise ValueError(f"{layout.TEST_LABELS} is of other images than the trials were tested on")
    except ValueError as error:
        notes.append(
            f"{error}, so it goes without effects by class; delete that file, and `alexctl ablate` writes it again"
        )
        return None
    return labels


def _pairs(evidence: Evidence, right: Seen) -> list[tuple[str, str]]:
    """(arm, control) of those that have images to compare; an interaction or a trend is none of one arm."""
    if evidence.ablation.compares != "arms":
        return []
    pairs = evidence.ablation.controls.items()
    return [(arm, control) for arm, control in pairs if right.get(arm, {}).keys() & right.get(control, {}).keys()]


def _both(right: Seen, arm: str, control: str) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """(control, arm), which images were right, by seed."""
    seeds = sorted(right[arm].keys() & right[control].keys())
    return {seed: (right[control][seed], right[arm][seed]) for seed in seeds}


def _mcnemar(evidence: Evidence, right: Seen, arm: str, control: str) -> list[dict[str, Any]]:
    """A row a seed: each is about these two nets alone."""
    rows = []
    for seed, (first, second) in _both(right, arm, control).items():
        alone = int((~first & second).sum()), int((first & ~second).sum())
        exact, mid = by_image.mcnemar(*alone)
        rows.append({
            "ablation": evidence.ablation.name, "arm": arm, "control": control, "seed": seed, "num_images": len(first),
            "control_error": float((~first).mean()), "arm_error": float((~second).mean()),
            "only_control_wrong": alone[0], "only_arm_wrong": alone[1], "mcnemar_exact_p": exact, "mcnemar_mid_p": mid,
        })  # fmt: skip
    return rows


def _units(evidence: Evidence, both: Mapping[int, tuple[np.ndarray, np.ndarray]]) -> dict[int, np.ndarray]:
    """(2, images) shares of wrong of control and arm by what makes a pair: a seed, or a study, the mean of its seeds."""
    if evidence.unit == "seed":
        return {seed: ~np.stack(pair) * 1.0 for seed, pair in both.items()}
    size = evidence.ablation.plan.seeds
    whole = [s for s in range(evidence.ablation.plan.studies) if all(s * size + i in both for i in range(size))]
    return {s: np.mean([~np.stack(both[s * size + i]) for i in range(size)], axis=0) for s in whole}


def _effect(evidence: Evidence, units: Mapping[int, np.ndarray]) -> statistics.Effect:
    """The effect on the test error of these images, in points, with Student's t interval."""
    control, arm = ({unit: Outcome(value=float(wrong[i].mean())) for unit, wrong in units.items()} for i in (0, 1))
    return statistics.paired_effect(control, arm, scale="points", level=evidence.level)


def _by_class(evidence: Evidence, right: Seen, labels: Labels, arm: str, control: str) -> list[dict[str, Any]]:
    units, rows = _units(evidence, _both(right, arm, control)), []
    for number, name in enumerate(labels.classes):
        mine = labels.labels == number
        if not mine.any() or not units:
            continue
        effect = _effect(evidence, {unit: wrong[:, mine] for unit, wrong in units.items()})
        first, second = np.mean([[pair.control, pair.arm] for pair in effect.pairs], axis=0).tolist()
        rows.append({
            "ablation": evidence.ablation.name, "arm": arm, "control": control, "class": name,
            "num_images": int(mine.sum()), "n": effect.n, "control_error": first, "arm_error": second,
            "effect": effect.estimate, "low": effect.low, "high": effect.high, "p_value": effect.p_value,
        })  # fmt: skip
    tested = [row for row in rows if row["p_value"] is not None]
    for row, p in zip(tested, statistics.holm([row["p_value"] for row in tested]).tolist(), strict=True):
        row["p_holm"] = p
    return rows


def _ensembles(
    evidence: Evidence, records: list[TrialRecord], labels: Labels, notes: list[str]
) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for arm in sorted(evidence.ablation.arms):
        nets = []
        for record in records:
            if record.arm != arm or record.right is None:
                continue
            try:
                found = test_images.read_probabilities(record.folder, record.right, labels)
            except ValueError as error:
                notes.append(f"{record.folder.name}: {error}, so ensembles go without it; delete that file")
                continue
            nets += [] if found is None else [found]
        if len(nets) > 1:
            each = by_image.ensembles(nets, labels.labels)
            rows += [{"ablation": evidence.ablation.name, "arm": arm, **vars(one)} for one in each]
    return rows


def _kernels(evidence: Evidence, records: list[TrialRecord]) -> list[dict[str, Any]]:
    return [
        {"ablation": evidence.ablation.name, "arm": record.arm, "seed": record.seed, "tower": tower, **colour}
        for record in sorted(records, key=lambda r: (r.arm, r.seed))
        for tower, colour in enumerate(record.status.get("kernels") or (), start=1)
    ]


def _summary(evidence: Evidence, right: Seen, ensembles: list[dict[str, Any]], num_images: int) -> dict[str, Any]:
    """What verdict.json has of it: each comparison over seeds and images together, and each arm's nets among themselves."""
    lines = []
    for arm, control in _pairs(evidence, right):
        units = _units(evidence, _both(right, arm, control))
        if not units:
            continue
        effect = replace(_effect(evidence, units), low=None, high=None)
        if effect.n > 2:
            differences = np.stack([wrong[0] - wrong[1] for wrong in units.values()])
            low, high = by_image.crossed_interval(differences, evidence.level)
            effect = replace(effect, low=100 * low, high=100 * high)
        lines.append({
            "arm": arm, "control": control, "n": effect.n, "effect": effect.estimate, "low": effect.low,
            "high": effect.high, "level": effect.level,
            "sentence": with_other_images(effect, num_images, evidence.unit, paid=not evidence.unplanned_looks),
        })  # fmt: skip
    arms = []
    for arm, seeds in sorted(right.items()):
        if len(seeds) > 1:
            alike = by_image.agreement(np.stack(list(seeds.values())))
            together = [row for row in ensembles if row["arm"] == arm]
            arms.append({
                "arm": arm, "n": len(seeds), "agreement": alike.share, "kappa": alike.kappa,
                "ensemble_size": together[-1]["size"] if together else None,
                "one_error": together[0]["error"] if together else None,
                "ensemble_error": together[-1]["error"] if together else None,
            })  # fmt: skip
    return {"num_images": num_images, "comparisons": lines, "arms": arms}
