"""Only `store/` knows what files and folders of results/ are called."""

import ast
from collections.abc import Iterator
from pathlib import Path

import alexctl
from alexctl.store import layout

PACKAGE = Path(alexctl.__file__).parent
NAMES = [str(value) for name, value in vars(layout).items() if name.isupper() and isinstance(value, str)]
FILES = {name for name in NAMES if "." in name} | {f"{name}.{kind}" for name in NAMES for kind in ("svg", "png")}
FILES -= {layout.LOCK}  # the data cache has one of the same name
FOLDERS = {layout.TRIALS, layout.BENCH, layout.CALIBRATION}


def named(tree: ast.AST) -> Iterator[str]:
    """The names of files and folders of results/ that are written out in code; sentences that mention one are not."""
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            yield from FOLDERS & {part.value for part in (node.left, node.right) if isinstance(part, ast.Constant)}
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and not set(node.value) & set(" \n"):
            parts = node.value.split("/")
            yield from FILES & set(parts)
            yield from FOLDERS & set(parts) if len(parts) > 1 else ()


def test_names_stand_in_the_store_alone():
    files = [path for top in (PACKAGE, PACKAGE.parent / "tools") for path in sorted(top.rglob("*.py"))]
    found = {
        path.relative_to(PACKAGE.parent).as_posix(): sorted(named(ast.parse(path.read_text(encoding="utf-8"))))
        for path in files
        if path.parent.name != "store"
    }
    assert not {path: names for path, names in found.items() if names}


def test_it_sees_each_way_to_write_a_name():
    for code in ('folder / "trials"', 'f"trials/{name}/env.json"', 'has("net.svg")', 'glob("*/trials.csv")'):
        assert set(named(ast.parse(code))), code
    assert not set(named(ast.parse('say(f"no plan.json in {folder}"); frame["trials"]')))
