"""Names that try to inject: nothing of theirs reaches the terminal, a table or a figure as more than text."""

import csv
import os
import pty
import threading
from xml.etree import ElementTree

from chaos import tally
from chaos.harness import alexctl, change_json, copy, finish, start, write_ablation
from chaos.images import CLASSES, draw_folder

TITLE_OF_WINDOW = "\x1b]0;owned\x07"
FOLDERS = ("=cmd()", f"{TITLE_OF_WINDOW}red", "a,b\nc", "[bold]x[red]")
TEXT = f"{TITLE_OF_WINDOW}[/] =cmd() $\\frac{{ <script> & \r\x1b[31m"
TERMINAL, TABLES, FIGURES = "control codes to the terminal", "formulas and codes into tables", "markup into figures"


def evil(place):
    write_ablation(
        place / "evil.toml", title=TEXT, claim={"says": TEXT, "section": TEXT}, lr=0.01, lr_grid=None,
        lr_widenings=0, epochs=2, seeds=1,
    )  # fmt: skip
    images = draw_folder(place / "\x1b[31mimages", classes=CLASSES, untested=FOLDERS)
    return [
        "ablate", "./evil.toml", "--workers", "1", "--data-root", str(place / "root"),
        "--data", f"imagefolder:{images}",
    ]  # fmt: skip


def test_to_a_terminal_and_to_a_pipe(place):
    """What alexctl colours itself is allowed; a window's title, and any code where there is no terminal, are not."""
    said = evil(place)
    tally.tried(TERMINAL, 3)
    seen = on_terminal(place, said)
    assert b"owned" in seen  # it is shown, spelled out
    for code in (b"\x1b]", b"\x07", b"\x1b[31mimages"):
        assert code not in seen, seen
    for words_ in (["show", "./evil.toml"], ["report", "--results", "results"]):
        ended = alexctl(place, *words_)
        assert ended.code == 0, ended.err
        assert not {"\x1b", "\x07"} & {*ended.out, *ended.err}, ended.out
        assert "Traceback" not in ended.err
    tally.survived(TERMINAL, 3)
    (campaign,) = (path for path in (place / "results").iterdir() if path.is_dir())
    figures_are_figures(campaign)
    tables_are_tables(campaign)


def on_terminal(place, said) -> bytes:
    """All that `alexctl ...` writes to a terminal."""
    master, slave = pty.openpty()
    chunks = []

    def read() -> None:
        while True:
            try:
                chunks.append(os.read(master, 65536))
            except OSError:  # the last writer is gone
                return

    reader = threading.Thread(target=read)
    reader.start()
    onto = f'exec "$@" >{os.ttyname(slave)} 2>&1'
    started = start(place, *said, within=("sh", "-c", onto, "sh"))
    ended = finish(started)
    os.close(slave)
    reader.join(10)
    os.close(master)
    assert ended.code == 0, b"".join(chunks)
    return b"".join(chunks)


def figures_are_figures(campaign) -> None:
    tally.tried(FIGURES)
    for path in campaign.glob("*.svg"):
        tree = ElementTree.parse(path)
        assert not [element for element in tree.iter() if element.tag.endswith("script")]
    assert (campaign / "figure.png").read_bytes().startswith(b"\x89PNG")
    tally.survived(FIGURES)


def tables_are_tables(campaign) -> None:
    tally.tried(TABLES)
    for path in campaign.glob("*.csv"):
        with path.open(newline="", encoding="utf-8") as file:
            for cell in (cell for row in csv.reader(file) for cell in row):
                assert not cell.startswith(("=", "@", "+")), (path.name, cell)
                assert cell.isprintable(), (path.name, cell)
    tally.survived(TABLES)


def test_an_error_that_is_a_formula(undisturbed, place):
    """The words of an error come from anywhere; here they were put into a trial's status."""
    tally.tried(TABLES)
    campaign = copy(undisturbed.campaign, place / "results" / "small")
    (trial,) = campaign.glob("trials/relu-s0-*")
    change_json(trial / "status.json", state="failed", error=f"=HYPERLINK(1){TITLE_OF_WINDOW}")
    ended = alexctl(place, "report", "--results", "results")
    assert ended.code == 0, ended.err
    assert not {"\x1b", "\x07"} & {*ended.out, *ended.err}, ended.out
    with (campaign / "trials.csv").open(newline="", encoding="utf-8") as file:
        errors = [line["error"] for line in csv.DictReader(file) if line["error"]]
    assert errors == ["'=HYPERLINK(1)\\x1b]0;owned\\x07"]
    tally.survived(TABLES)
