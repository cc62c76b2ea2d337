"""CONTRIBUTING.md and docs/structure.md are followed: their examples work, and what they name is there."""

import re
import tomllib
from pathlib import Path

import pytest

import alexctl
from alexctl.ablation import knobs, measures
from alexctl.ablation.load import load
from alexctl.ablation.setting import known_keys

TOP = Path(__file__).parents[1]
TEXT = (TOP / "CONTRIBUTING.md").read_text(encoding="utf-8")
STRUCTURE = (TOP / "docs" / "structure.md").read_text(encoding="utf-8")


def test_the_example_of_an_ablation_is_one(tmp_path):
    (text,) = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    tomllib.loads(text)
    file = tmp_path / "mirrored.toml"
    file.write_text(text, encoding="utf-8")
    for smoke in (False, True):
        assert load(str(file), smoke=smoke).varies == ("flips",)


def test_the_example_of_a_measure_is_one(monkeypatch):
    (text,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    measure = eval(text, vars(measures))
    monkeypatch.setitem(measures.MEASURES, measure.name, measure)
    assert measures.named("train_loss").read([{"train_loss": 0.5}], {}).value == 0.5


@pytest.mark.parametrize("net", sorted(knobs.NETS))
def test_every_knob_is_read_somewhere(net):
    """Declared in one file, named in another; `data`, `net` and `lr` are read under names of their own."""
    sources = "\n".join(
        path.read_text(encoding="utf-8")
        for wing in ("nets", "data", "training", "trials", "campaign", "run.py", "ablation/model.py")
        for path in (Path(alexctl.__file__).parent / wing, *(Path(alexctl.__file__).parent / wing).rglob("*.py"))
        if path.is_file()
    )
    unread = [
        key for key in known_keys(net) if not re.search(rf"(?:knobs|training)\.{key}\b|\"{key}\"|\.{key}\b", sources)
    ]
    assert unread == []


@pytest.mark.parametrize("text", [TEXT, STRUCTURE], ids=["CONTRIBUTING.md", "structure.md"])
def test_the_files_they_name_are_there(text):
    named = set(
        re.findall(r"`((?:alexctl|tests|ablations|docs|tools)/[\w./-]+\.\w+|[a-z]+/[a-z_]+\.py|[a-z]+\.py)`", text)
    )
    assert named
    missing = [
        name
        for name in named
        if "NAME" not in name and not any((top / name).exists() for top in (TOP, TOP / "alexctl"))
    ]
    assert missing == []


def test_the_map_names_every_wing():
    block = STRUCTURE.partition("```\n")[2].partition("```")[0]
    wings = {path.name for path in (TOP / "alexctl").iterdir() if (path / "__init__.py").exists()}
    assert {wing for wing in wings if f"  {wing}/ " not in block} == set()
    ground = {path.stem for path in (TOP / "alexctl").glob("*.py")} - {"__init__", "__main__", "run", "api"}
    assert ground == set(block.splitlines()[1].split("  ")[1].split())
