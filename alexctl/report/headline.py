"""What a page says first and in which order: how many claims hold, the flagship before the others, checks last."""

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

FLAGSHIP = ("relu-vs-tanh", "relu-vs-tanh-fan-in")
KINDS = {  # as in sections.KINDS, in the order of the page -> what one claim does, what several do
    "yes": ("holds", "hold"), "no": ("does not hold", "do not hold"),
    "same": ("shows no difference", "show no difference"), "open": ("is undecided", "are undecided"),
    "void": ("was not judged", "were not judged"),
}  # fmt: skip


def in_order(sections: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The flagship, then by verdict, then smoke runs, which show nothing, and the checks of the instrument."""

    def place(one: dict[str, Any]) -> tuple[int, ...]:
        flagship = FLAGSHIP.index(str(one["name"])) if str(one["name"]) in FLAGSHIP else len(FLAGSHIP)
        kinds = [list(KINDS).index(entry["kind"]) for entry in one["comparisons"]]
        return one["noise_floor"], one["smoke"], flagship, min(kinds, default=len(KINDS))

    return sorted(sections, key=place)


def headline(sections: Sequence[dict[str, Any]]) -> Markup:
    """How many claims hold, in one sentence. A claim is a comparison; smoke runs and checks of the instrument are none."""
    claims = [entry for one in sections if not (one["noise_floor"] or one["smoke"]) for entry in one["comparisons"]]
    if not claims:
        return Markup("No claim has been tested yet")
    if len(claims) == 1:
        return Markup("The claim {}{}").format(KINDS[claims[0]["kind"]][0], _by_proxy(claims))
    parts = []
    for kind, words in KINDS.items():
        if alike := [entry for entry in claims if entry["kind"] == kind]:
            parts.append(_count(len(alike)) + " " + words[len(alike) > 1] + _by_proxy(alike))
    words = parts[0] if len(parts) == 1 else Markup(", ").join(parts[:-1]) + " and " + parts[-1]
    return Markup("Of {} claims {}").format(_count(len(claims)), words)


def _by_proxy(alike: list[dict[str, Any]]) -> Markup | str:
    """How many of the claims of one verdict were not tested on their own data and net; without it a count misleads."""
    number = sum(entry["line"].get("tier", "own") != "own" for entry in alike)
    if not number or alike[0]["kind"] in ("open", "void"):
        return ""
    return " by proxy" if number == len(alike) else Markup(" ({} by proxy)").format(_count(number))


def _count(number: int) -> Markup:
    """A number of claims; it is counted here, so it stands in no file."""
    return Markup('<span class="count">{}</span>').format(number)
