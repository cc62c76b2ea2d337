"""The front door in Python: the same as the command line, with frames and figures in hand."""

import json
import os
import subprocess
import sys

import pandas as pd
import pytest
from cli.test_commands import mine
from matplotlib.figure import Figure

import alexctl
from alexctl.store.files import read_json


@pytest.fixture
def result(tiny_root, tmp_path, monkeypatch):
    """Two seeds of the tiny comparison."""
    monkeypatch.chdir(tmp_path)
    return alexctl.ablate(mine(tmp_path), data_root=tiny_root, workers=1, device="cpu", results=tmp_path / "results")


def test_a_result_has_what_the_files_have(result, tmp_path):
    folder = tmp_path / "results" / "mine"
    assert result.folder == folder
    for name in ("trials", "curves", "summary"):
        frame = getattr(result, name)
        assert list(frame.columns) == list(pd.read_csv(folder / f"{name}.csv").columns)
        assert len(frame) == len(pd.read_csv(folder / f"{name}.csv"))
    assert result.verdict == read_json(folder / "verdict.json")
    assert result.failed == ()
    assert isinstance(result.figure(), Figure)
    with pytest.raises(alexctl.UserError, match="mine has no figure 'serach', choose from: figure"):
        result.figure("serach")
    assert "relu: Nothing learned" in repr(result)


def test_results_are_opened_again_and_nothing_is_written(result, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    for folder in (tmp_path / "results", result.folder):
        (opened,) = alexctl.load_results(folder).values()
        assert opened.verdict == result.verdict
        assert opened.curves.equals(result.curves)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    with pytest.raises(alexctl.UserError, match="no results of lrn in"):
        alexctl.load_results(tmp_path / "results", "lrn")


def test_anybodys_runs_from_a_file_or_a_frame(tmp_path):
    frame = pd.DataFrame({
        "model": ["a", "b"] * 4, "seed": [0, 0, 1, 1, 2, 2, 3, 3], "test_error": [0.30, 0.25, 0.31, 0.25, 0.29, 0.26, None, 0.2],
    })  # fmt: skip
    frame.to_csv(tmp_path / "runs.csv", index=False)
    words = {"arm": "model", "pair": "seed", "measure": "test_error", "control": "a", "scale": "points"}
    (line,), notes = alexctl.stats(frame, **words)
    (same,), _ = alexctl.stats(tmp_path / "runs.csv", **words)
    del line["sentence"], same["sentence"]  # which name the frame and the file
    assert line == same
    assert (line["arm"], line["n"], round(line["effect"], 6)) == ("b", 3, round(100 * (0.05 + 0.06 + 0.03) / 3, 6))
    assert any("without a value of test_error, left out" in note for note in notes)
    with pytest.raises(alexctl.UserError, match="--measure: the frame has no column 'tset_error', did you mean"):
        alexctl.stats(frame, **words | {"measure": "tset_error"})


def test_a_knob_given_twice_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(alexctl.UserError, match="--set seeds=2: seeds is given twice"):
        alexctl.ablate(mine(tmp_path), seeds=3, knobs={"seeds": 2})


def test_importing_it_is_light_and_it_names_what_it_has():
    code = (
        "import json, sys, alexctl; before = sorted(m for m in ('torch', 'pandas', 'matplotlib', 'scipy', 'numpy')"
        " if m in sys.modules); print(json.dumps([before, [n for n in alexctl.__all__ if not callable(getattr(alexctl, n))]]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[], []]
    assert set(alexctl.__all__) <= set(dir(alexctl))
    with pytest.raises(AttributeError, match="has no attribute 'ablatee'"):
        _ = alexctl.ablatee


def test_python_m_alexctl():
    done = subprocess.run([sys.executable, "-m", "alexctl", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"alexctl {alexctl.__version__}")


@pytest.mark.slow
def test_in_a_notebook(tiny_root, tmp_path):
    """A real kernel with its inline backend; buys that cells run and show a figure. About 10 s."""
    jupyter = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    mine(tmp_path)
    cells = [
        "import alexctl",
        f"result = alexctl.ablate('./mine.toml', data_root={str(tiny_root)!r}, workers=1, device='cpu')",
        "result",
        "result.summary",
        "result.figure()",
        "alexctl.load_results('results')['mine'].verdict['comparisons'][0]['verdict']",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    environment = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        jupyter.NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output.get("data", {}) for cell in notebook.cells for output in cell.outputs]
    assert any("text/html" in data for data in shown), "the summary as a table"
    assert any("image/png" in data for data in shown), "the figure"
    assert shown[-1]["text/plain"] == "'nothing learned'"
