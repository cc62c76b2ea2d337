"""The colour and line style of each arm, in figures and on the page. No matplotlib."""

from collections.abc import Mapping, Sequence

from alexctl.figures.palette import ARMS, INK

DASHES = ("-", (0, (5, 1, 1, 1)), (0, (1, 1)), (0, (3, 1, 1, 1, 1, 1)))  # of arms; the control is dark and dashed


def arm_styles(arms: Sequence[str], control: str | Mapping[str, str]) -> dict[str, dict]:
    """Colour and line style of each arm, control first: never told apart by colour alone.

    Where arms have controls of their own, an arm and its control share a colour, and the control is dashed; which pair it
    is the names on the lines say too.
    """
    control = own_or_first(control)
    if not isinstance(control, str):
        paired = [(name, ARMS[i % len(ARMS)], "-" if name in control else "--")
                  for i, pair in enumerate(sorted(control.items())) for name in reversed(pair)]  # fmt: skip
        return {name: {"color": colour, "linestyle": line} for name, colour, line in paired if name in set(arms)}
    others = [arm for arm in dict.fromkeys(arms) if arm != control]
    styles = {control: {"color": INK, "linestyle": "--"}} if control in set(arms) else {}
    for i, arm in enumerate(others):
        styles[arm] = {"color": ARMS[i % len(ARMS)], "linestyle": DASHES[i % len(DASHES)]}
    return styles


def own_or_first(control: str | Mapping[str, str]) -> str | Mapping[str, str]:
    """A table of controls, if it makes pairs of all that it names, else the one that figures draw as the control."""
    if isinstance(control, str) or len({*control, *control.values()}) == 2 * len(control):
        return control
    return control[min(control)]
