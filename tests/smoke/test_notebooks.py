"""`make smoke`: the notebooks in docs/ run from their first cell to their last, in a kernel of their own."""

import os
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.smoke
SECONDS = 60  # of processor time, however busy the machine is: about half of that to wait on 2 free cores
NOTEBOOKS = sorted((Path(__file__).parents[2] / "docs" / "notebooks").glob("*.ipynb"))


def processor_seconds() -> float:
    """Of all processes that have ended which this one began, and those that they began."""
    spent = os.times()
    return spent.children_user + spent.children_system


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs(path, tmp_path, monkeypatch):
    nbclient, nbformat = pytest.importorskip("nbclient"), pytest.importorskip("nbformat")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path for path in sys.path if path))
    monkeypatch.setenv("ALEXCTL_DATA", str(tmp_path / "data"))
    notebook = nbformat.read(path, as_version=4)
    began = processor_seconds()
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    took = processor_seconds() - began
    shown = [output.get("data", {}) for cell in notebook.cells if "outputs" in cell for output in cell.outputs]
    texts = "\n".join(data.get("text/plain", "") for data in shown)
    assert sum("image/png" in data for data in shown) == 2, "the figure, and the search"
    assert sum("<table" in data.get("text/html", "") for data in shown) >= 1, "the summary"
    assert "relu seed 0" in texts, "what the run told"
    assert "ReLU vs tanh, the demo, on shapes" in texts, "the verdict"
    assert 1 < took < SECONDS, f"{took:.0f} s"
