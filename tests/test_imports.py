"""Imports point one way, and the face imports nothing heavy."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import alexctl

PACKAGE = Path(alexctl.__file__).parent
WINGS = (  # a wing may import from the lines above its own, and from itself
    ("errors", "machine", "numbers", "process", "randomness", "regular_files", "statistics"),
    ("ablation",),
    ("nets", "data", "store"),
    ("training", "figures", "verdicts"),
    ("trials",),
    ("campaign",),
    ("timing", "report"),
    ("run", "slurm"),
    ("api",),
    ("cli",),
)
LEVEL = {wing: level for level, wings in enumerate(WINGS) for wing in wings}


def test_imports_point_one_way():
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        if parts[0].startswith("_"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("alexctl"):
                inner = node.module.split(".")[1:]
                for target in [inner[0]] if inner else [alias.name for alias in node.names if alias.name in LEVEL]:
                    below = target == parts[0] or LEVEL[target] < LEVEL[parts[0]]
                    if not below:
                        wrong.append(f"{'/'.join(parts)} imports {target}")
    assert not wrong


def test_the_face_is_light():
    code = "import sys, alexctl.cli.commands; print([m for m in ('torch', 'pandas', 'matplotlib', 'scipy', 'numpy', 'rich') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("module", ["alexctl.run", "alexctl.trials.worker"])
def test_who_trains_imports_what_that_needs(module):
    """Up to the first step; what draws, judges and describes is for later."""
    late = ("pandas", "matplotlib", "scipy", "torch.utils.flop_counter", "torchvision", "triton", "PIL")
    code = f"import sys, {module}; print([m for m in {late} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.skipif(not hasattr(os, "wait4"), reason="needs the times of a child process")
def test_help_is_quick():
    """Under 0.3 s of processor time once warm, however busy the machine is."""

    def seconds() -> float:
        child = subprocess.Popen(
            [sys.executable, "-c", "from alexctl.cli.main import main; main()", "--help"], stdout=subprocess.DEVNULL
        )
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        assert child.returncode == 0
        return usage.ru_utime + usage.ru_stime

    assert min(seconds() for _ in range(4)) < 0.3
