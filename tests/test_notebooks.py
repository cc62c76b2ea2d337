"""The notebooks in docs/ are committed without outputs, and use what `import alexctl` gives."""

import ast
import json
from pathlib import Path

import pytest

import alexctl

NOTEBOOKS = sorted((Path(__file__).parents[1] / "docs" / "notebooks").glob("*.ipynb"))


def cells(path: Path) -> list[dict]:
    return [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_no_outputs_are_committed(path):
    assert len(cells(path)) > 3
    for cell in cells(path):
        assert cell["outputs"] == []
        assert cell["execution_count"] is None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name)
def test_the_front_door_is_enough(path):
    tree = ast.parse("\n".join("".join(cell["source"]) for cell in cells(path)))
    imported = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    assert imported == ["import alexctl"]
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "alexctl"
    }
    assert used <= set(alexctl.__all__)


def test_there_is_one():
    assert [path.name for path in NOTEBOOKS] == ["figure-1.ipynb"]
