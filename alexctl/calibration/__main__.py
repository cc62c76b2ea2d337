"""`python -m alexctl.calibration`: measures the rules and writes the table in docs/statistics.md; `... looks`: the levels.

Both write into the checkout this package runs from, and the same bytes each time on one set of versions.
"""

import sys
from pathlib import Path

from alexctl import results
from alexctl.calibration import levels
from alexctl.looks import TABLE

TOP = Path(__file__).parents[2]


def main(words: list[str]) -> None:
    if words == ["looks"]:
        results.write_atomic(TABLE, results.csv_text(levels.COLUMNS, levels.nominal_levels()))


if __name__ == "__main__":
    main(sys.argv[1:])
