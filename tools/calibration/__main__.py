"""`python -m tools.calibration`: measures the rules, writes the CSV and the tables in docs/statistics.md; minutes.

`python -m tools.calibration pipeline` does so for the whole procedure, search included, in half an hour;
`python -m tools.calibration looks` writes the levels of the looks, which the rules rest on. All write into the
checkout this package runs from, and the same bytes each time on one set of versions.
"""

import sys
from pathlib import Path

from alexctl.statistics.looks import TABLE
from alexctl.store import files, layout
from tools.calibration import levels, pipeline
from tools.calibration.cells import COLUMNS, cells
from tools.calibration.distributions import skewness_of_trials
from tools.calibration.table import markdown, pipeline_markdown, written

TOP = Path(__file__).parents[2]


def main(words: list[str]) -> None:
    """What the module's head says."""
    if words == ["looks"]:
        files.write_atomic(TABLE, files.csv_text(levels.COLUMNS, levels.nominal_levels()))
        return
    reference, document = TOP / layout.REFERENCE, TOP / "docs" / "statistics.md"
    folder = files.make_folder(reference / layout.CALIBRATION)
    if words == ["pipeline"]:
        races = [pipeline.read_races(folder / name) for name in ("race-relu.csv", "race-tanh.csv")]
        found = [
            line
            for table in (pipeline.read_errors(folder / "errors-relu.csv"), races[0])
            for line in pipeline.cells(table)
        ]
        dropped = [line for table in races for line in pipeline.drops(table)]
        files.write_atomic(folder / "pipeline.csv", files.csv_text(pipeline.COLUMNS, found))
        files.write_atomic(folder / "drops.csv", files.csv_text(pipeline.DROP_COLUMNS, dropped))
        text = written(document.read_text(encoding="utf-8"), pipeline_markdown(found, dropped), name="pipeline")
        files.write_atomic(document, text)
        return
    lines = list(cells(*skewness_of_trials(reference)))
    files.write_atomic(folder / layout.CALIBRATION_CSV, files.csv_text(COLUMNS, lines))
    files.write_atomic(document, written(document.read_text(encoding="utf-8"), markdown(lines)))


if __name__ == "__main__":
    main(sys.argv[1:])
