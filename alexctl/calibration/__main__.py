"""`python -m alexctl.calibration`: measures the rules, writes the CSV and the tables in docs/statistics.md; minutes.

`python -m alexctl.calibration looks` writes the levels of the looks, which the rules rest on. Both write into the
checkout this package runs from, and the same bytes each time on one set of versions.
"""

import sys
from pathlib import Path

from alexctl import results
from alexctl.calibration import levels
from alexctl.calibration.cells import COLUMNS, cells
from alexctl.calibration.draws import skewness_of_trials
from alexctl.calibration.table import markdown, written
from alexctl.looks import TABLE

TOP = Path(__file__).parents[2]


def main(words: list[str]) -> None:
    """What the module's head says."""
    if words == ["looks"]:
        results.write_atomic(TABLE, results.csv_text(levels.COLUMNS, levels.nominal_levels()))
        return
    reference, document = TOP / "results" / "reference", TOP / "docs" / "statistics.md"
    lines = list(cells(*skewness_of_trials(reference)))
    folder = results.make_folder(reference / "calibration")
    results.write_atomic(folder / "calibration.csv", results.csv_text(COLUMNS, lines))
    results.write_atomic(document, written(document.read_text(encoding="utf-8"), markdown(lines)))


if __name__ == "__main__":
    main(sys.argv[1:])
