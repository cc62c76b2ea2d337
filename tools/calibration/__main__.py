"""`python -m tools.calibration`: measures the rules, writes the CSV and the tables in docs/statistics.md; minutes.

`python -m tools.calibration looks` writes the levels of the looks, which the rules rest on. Both write into the
checkout this package runs from, and the same bytes each time on one set of versions.
"""

import sys
from pathlib import Path

from alexctl.statistics.looks import TABLE
from alexctl.store import files, layout
from tools.calibration import levels
from tools.calibration.cells import COLUMNS, cells
from tools.calibration.distributions import skewness_of_trials
from tools.calibration.table import markdown, written

TOP = Path(__file__).parents[2]


def main(words: list[str]) -> None:
    """What the module's head says."""
    if words == ["looks"]:
        files.write_atomic(TABLE, files.csv_text(levels.COLUMNS, levels.nominal_levels()))
        return
    reference, document = TOP / layout.REFERENCE, TOP / "docs" / "statistics.md"
    lines = list(cells(*skewness_of_trials(reference)))
    folder = files.make_folder(reference / layout.CALIBRATION)
    files.write_atomic(folder / layout.CALIBRATION_CSV, files.csv_text(COLUMNS, lines))
    files.write_atomic(document, written(document.read_text(encoding="utf-8"), markdown(lines)))


if __name__ == "__main__":
    main(sys.argv[1:])
