"""Prints what nets are made of and what they cost, as a table a person understands or as JSON."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from alexctl import numbers
from alexctl.ablation.knobs import NETS
from alexctl.cli.console import print_json, say, shown, table
from alexctl.errors import UserError
from alexctl.figures.architecture import figure_2
from alexctl.nets import find
from alexctl.nets.description import Description
from alexctl.store import files

if TYPE_CHECKING:
    from alexctl.nets.layer_table import LayerRow
    from alexctl.timing.costs import Cost


def costs(found: "list[Cost]") -> None:
    """The second half of `alexctl show NAME`: an arm a line."""
    from alexctl.timing.costs import whole_seconds

    rows = []
    for cost in found:
        searched = f"{cost.num_search_trials} + " if cost.num_search_trials else ""
        rows.append({
            "arm": cost.arm, "parameters": _count(cost.num_parameters), "MACs": _compact(cost.num_macs),
            "memory": "-" if cost.training_bytes is None else numbers.byte_size(cost.training_bytes), "trials": f"{searched}{cost.num_reported_trials}",
            "epochs": numbers.compact(round(cost.planned.total)),
            "time": cost.problem or f"{'at most' if cost.at_most else 'about'} {numbers.duration(cost.seconds)}",
        })  # fmt: skip
    say("")
    table(rows, numbers=("parameters", "MACs", "memory", "epochs"))
    known = any(cost.seconds is not None for cost in found)
    workers = numbers.counted(found[0].workers, "worker")
    notes = ["MACs: multiply-accumulates an image. memory: about what a training step holds."]
    searched = any(cost.num_search_trials for cost in found)
    about = "at most" if any(cost.at_most for cost in found) else "about"
    search, whole = sum(sum(cost.planned.searching) for cost in found), sum(cost.planned.total for cost in found)
    if searched:
        notes.append("trials: searching the learning rate + reported.")
        notes.append(f"In all {about} {whole:,.0f} epochs, {search:,.0f} of them to search the rates.")
    else:
        notes.append(f"In all {about} {whole:,.0f} epochs.")
    if known:
        notes.append(f"{about.capitalize()} {numbers.duration(whole_seconds(found))} on {workers}, going by a few steps timed now"
                     f"{'; what a search may add to its grid comes on top' * searched}.")  # fmt: skip
        if not all(cost.crowded for cost in found):
            notes.append("Workers slow each other, which is not in it: `alexctl bench`, once, measures how much.")
    say(" ".join(notes))


def net(described: Description, drawn: Path | None, *, as_json: bool) -> None:
    """`alexctl show --net NET`."""
    if as_json:
        print_json(asdict(described))
        return
    height, width, channels = described.image_shape
    say(f"{described.title}, for images of {height}x{width}x{channels} and {described.num_classes} classes")
    kinds = any(not row.name.startswith(row.kind) for row in described.layers)
    table([_layer(row, kinds) for row in described.layers], numbers=("pad", "parameters", "MACs", "neurons"))
    whole = described.totals
    say(
        "",
        f"{whole.num_parameters:,} parameters, {whole.num_macs:,} multiply-accumulates (MACs) an image, "
        f"{whole.num_neurons:,} neurons; a training step on {described.batch_size} images holds about "
        f"{numbers.byte_size(described.training_bytes)}",
    )
    if drawn is not None:
        say(f"Figure 2 of this net: {shown(drawn)}")
    elif described.drawable:
        say(f"`--svg {described.net}.svg` draws it as Figure 2 of the paper")


def _layer(row: "LayerRow", kinds: bool) -> dict[str, str]:
    kernel = "" if row.kernel is None else _sides(row.kernel) + (f"x{row.kernel_maps}" if row.kernel_maps else "")
    maps = "" if not row.maps else str(row.maps)
    if (row.height, row.width) != (1, 1):
        maps += f"x{row.height}x{row.width}"
    return {
        "layer": row.name, **({"kind": row.kind} if kinds else {}), "kernel": kernel,
        "stride": "" if row.stride is None else str(row.stride), "pad": "" if row.padding is None else str(row.padding),
        "maps": maps, "parameters": _count(row.num_parameters), "MACs": _compact(row.num_macs),
        "neurons": _count(row.num_neurons), "sees": row.sees,
    }  # fmt: skip


def _sides(kernel: int | tuple[int, ...] | str) -> str:
    return f"{kernel}x{kernel}" if isinstance(kernel, int) else "x".join(map(str, kernel))


def _count(number: int | None) -> str:
    return f"{number:,}" if number else "-"


def _compact(number: int | None) -> str:
    return numbers.compact(number) if number else "-"


def draw(described: Description, path: Path) -> None:
    """Writes Figure 2 of a net as SVG; UserError for a net that is not of its kind, and as `write_named`."""
    if not described.drawable:
        names = " and ".join(name for name in NETS if find(name).is_figure_2)
        raise UserError(f"--svg draws {names}, the nets of Figure 2, not {described.net}")
    files.write_named(path, figure_2(described), "--svg")
