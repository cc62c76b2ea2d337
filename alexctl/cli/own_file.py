"""`alexctl new`, `alexctl check` and `alexctl schema`: a file of one's own, before anything is trained."""

from pathlib import Path
from typing import Annotated

import typer

from alexctl.cli.options import asked
from alexctl.errors import UserError

NEW_EXAMPLES = (
    ("alexctl new mine", "writes mine.toml, which runs as it is"),
    ("alexctl ablate ./mine.toml", "the answer"),
)
CHECK_EXAMPLES = (("alexctl check ./mine.toml", "every fault, a line each"),)
SCHEMA_EXAMPLES = (("alexctl schema > alexctl.schema.json", "for an editor, or taplo"),)


def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the file is to be called, without .toml.")],
) -> None:
    """Write an ablation file of your own, with comments; it runs as it is."""
    from alexctl.ablation.template import SCHEMA_FILE, new_file
    from alexctl.cli.console import say

    file, text = new_file(name)
    _write(Path(SCHEMA_FILE), _schema_text())
    _write(file, text)
    say(
        f"{file} is written, with {SCHEMA_FILE} for editors. It runs as it is; change what is asked, then:",
        f"  alexctl check ./{file}",
        f"  alexctl ablate ./{file}",
    )


def check(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Ablation files, or names of those that ship.")],
    set_: Annotated[
        list[str] | None, asked("--set", metavar="KEY=VALUE", help="As if this knob of the base were so.")
    ] = None,
) -> None:
    """Tell everything that is wrong with ablation files; nothing is trained and no code of yours is run."""
    from alexctl.ablation.load import load, override
    from alexctl.ablation.own_net import code_notes
    from alexctl.cli.console import note, say
    from alexctl.cli.show_ablation import seeds_words

    faults: list[str] = []
    for name in files:
        try:
            found = load(name, overrides=override(set_ or []))
        except UserError as error:
            faults += error.faults
            continue
        say(
            f"{name}: no faults; {len(found.arms)} arms x {seeds_words(found.plan)} seeds, compares {found.measure.name}"
        )
        for line in code_notes([{**found.base, **knobs}["net"] for knobs in found.arms.values()], Path(name).parent):
            note(line)
    if faults:
        raise UserError(*faults)


def schema() -> None:
    """Print a JSON schema of ablation files, by which editors complete and check them."""
    typer.echo(_schema_text(), nl=False)


def _schema_text() -> str:
    import json

    from alexctl.ablation.schema import schema as made

    return json.dumps(made(), indent=1, ensure_ascii=False) + "\n"


def _write(path: Path, text: str) -> None:
    from alexctl.store import files

    files.write_named(path, text, "alexctl new")
