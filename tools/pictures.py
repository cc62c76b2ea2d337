"""`python -m tools.pictures`: does what docs/tutorial.md says in an empty folder, and makes its pictures; ten minutes.

Of each block of shell the lines that begin with `alexctl` are run, in a terminal of tmux; a block of `diff` changes the file
that the page has made. A picture `pictures/NAME.svg` is the screen after the last command, `pictures/NAME.png` the report's
page in Chromium.
"""

import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from alexctl.errors import UserError
from alexctl.store import files, layout

TOP = Path(__file__).parents[1]
TUTORIAL = TOP / "docs" / "tutorial.md"
COLUMNS, LINES = 100, 60
FONT = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"
LARGEST = 200_000  # bytes of a picture


@dataclass(frozen=True)
class Step:
    """Something that the tutorial does: `kind` is "run" (a command), "change" (a diff) or "picture" (its path in docs/)."""

    kind: str
    text: str


def steps(page: str) -> Iterator[Step]:
    """What a tutorial does, in its order."""
    for found in re.finditer(
        r"^```(\w+)\n(.*?)^```$|^!\[[^\]]*\]\((pictures/[^)]+)\)$", page, re.DOTALL | re.MULTILINE
    ):
        language, block, picture = found.groups()
        if picture:
            yield Step("picture", picture)
        elif language == "sh":
            yield from (
                Step("run", line.partition("  #")[0].strip())
                for line in block.splitlines()
                if line.startswith("alexctl")
            )
        elif language == "diff":
            yield Step("change", block)


def changed(text: str, diff: str) -> str:
    """The text with each run of `-` lines replaced by the `+` lines after it; UserError where it hasn't them just once."""
    for old, new in re.findall(r"((?:^-.*\n)+)((?:^\+.*\n)*)", diff, re.MULTILINE):
        before, after = (re.sub(r"^[-+]", "", lines, flags=re.MULTILINE) for lines in (old, new))
        if text.count(before) != 1:
            raise UserError(f"the tutorial changes what the file has not just once: {before.strip()}")
        text = text.replace(before, after)
    return text


def photograph(command: str, folder: Path) -> str:
    """Runs a command in a terminal of its own; what then stands on the screen, with its colours. UserError where it fails."""
    done = folder / ".done"
    done.unlink(missing_ok=True)
    start = folder / ".start"
    start.write_text(f"PS1='$ '\nPROMPT_COMMAND='echo $? >> {shlex.quote(str(done))}'\n")
    tmux = ["tmux", "-L", f"alexctl-pictures-{os.getpid()}"]
    shell = shlex.join(["bash", "--rcfile", str(start)])
    subprocess.run(
        [*tmux, "new-session", "-d", "-x", str(COLUMNS), "-y", str(LINES), "-c", str(folder), shell], check=True
    )
    try:
        _wait(done, 1)
        subprocess.run([*tmux, "send-keys", "-l", command], check=True)
        subprocess.run([*tmux, "send-keys", "Enter"], check=True)
        code = _wait(done, 2)
        seen = subprocess.run(
            [*tmux, "capture-pane", "-e", "-p", "-S", "-"], check=True, capture_output=True, text=True
        )
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)
    screen = seen.stdout.rstrip().removesuffix("$").rstrip()
    if code not in ("0", "2"):  # 2: the tutorial shows a fault too
        raise UserError(f"{command}: exit code {code}", *screen.splitlines()[-5:])
    return screen


def _wait(done: Path, prompts: int) -> str:
    """Until so many prompts have been shown; the exit code of what ran before the last."""
    while not done.exists() or len(codes := done.read_text().split()) < prompts:
        time.sleep(0.2)
    return codes[-1]


def svg(screen: str, name: str) -> str:
    """A screen as a picture that fetches nothing: no font but the reader's."""
    from rich._export_format import CONSOLE_SVG_FORMAT
    from rich.console import Console
    from rich.text import Text

    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, legacy_windows=False)
    console.print(Text.from_ansi(screen), soft_wrap=True)
    form = re.sub(r"@font-face \{\{.*?\}\}\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    form = form.replace("Fira Code, monospace", FONT)
    return console.export_svg(title="alexctl", code_format=form, unique_id=name)


def png(page: Path, to: Path) -> None:
    """The top of a page, as wide as a laptop's window, in 256 colours."""
    from PIL import Image
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("ALEXCTL_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as tools:
        browser = tools.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        tab = browser.new_page(viewport={"width": 1200, "height": 1360}, color_scheme="light")
        tab.goto(page.as_uri())
        tab.screenshot(path=to)
        browser.close()
    Image.open(to).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(to, optimize=True)


def main() -> None:
    """What the module's head says."""
    if shutil.which("tmux") is None:
        raise UserError("no tmux here; on Debian: apt-get install tmux")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "tutorial"
        folder.mkdir()
        os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        os.environ["PYTHONPATH"] = str(TOP)
        screen = ""
        for step in steps(TUTORIAL.read_text(encoding="utf-8")):
            if step.kind == "run":
                print(f"$ {step.text}", flush=True)  # noqa: T201
                screen = photograph(step.text, folder)
            elif step.kind == "change":
                (file,) = folder.glob("*.toml")
                file.write_text(changed(file.read_text(encoding="utf-8"), step.text), encoding="utf-8")
            else:
                picture = TUTORIAL.parent / step.text
                picture.parent.mkdir(exist_ok=True)
                if picture.suffix == ".svg":
                    files.write_atomic(picture, svg(screen, picture.stem))
                else:
                    png(folder / "results" / layout.REPORT, picture)
                if (size := picture.stat().st_size) > LARGEST:
                    raise UserError(f"{step.text} has {size:,} bytes, more than {LARGEST:,}")


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        sys.exit(f"pictures: {error}")
