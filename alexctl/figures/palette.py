"""Every colour there is, once: what figures are drawn with, and what that becomes on the page. Imports nothing."""

COLOURS = {  # name -> in a figure's file ("": no figure has it), on a light screen, on a dark one, in print
    "paper": ("#ffffff", "#ffffff", "#161614", "#ffffff"),
    "sheet": ("", "#f6f6f3", "#1f1f1c", "#ffffff"),
    "ink": ("#000000", "#1c1c1a", "#eceae3", "#000000"),
    "quiet": ("#666666", "#5d5d57", "#a5a39a", "#444444"),
    "line": ("#dcdcdc", "#dcdcd6", "#3a3a35", "#bbbbbb"),
    "link": ("", "#1a5a96", "#8fc1ee", "#000000"),
    "marked": ("#f4c9ab", "#f4c9ab", "#7a3f12", "#f4c9ab"),
    "band": ("", "#e9e9e3", "#2a2a26", "#e9e9e3"),
    "net": ("", "#ffffff", "#ffffff", "#ffffff"),  # behind Figure 2, whose colours stay as they are
    # A verdict: supported, contradicted, no difference, undecided, and none.
    "yes": ("", "#1b6b3a", "#7fd09a", "#1b6b3a"),
    "no": ("", "#a8321f", "#f2917d", "#a8321f"),
    "same": ("", "#3d5a80", "#a3c0e6", "#3d5a80"),
    "open": ("", "#86590a", "#e8bd6a", "#86590a"),
    "void": ("", "#5d5d57", "#a5a39a", "#444444"),
    # Okabe and Ito's colours, which keep apart in greyscale too; darker on a white page, where they are letters.
    "arm-1": ("#0072b2", "#0072b2", "#62b5ec", "#0072b2"),
    "arm-2": ("#d55e00", "#c65200", "#f49352", "#c65200"),
    "arm-3": ("#009e73", "#00805e", "#4cc9a0", "#00805e"),
    "arm-4": ("#cc79a7", "#b0568a", "#e3a0c6", "#b0568a"),
    "arm-5": ("#e69f00", "#a87000", "#eebc55", "#a87000"),
    "arm-6": ("#56b4e9", "#2b8cc4", "#90d3f7", "#2b8cc4"),
}
PAPER, INK, GREY, LINE, MARKED = (COLOURS[name][0] for name in ("paper", "ink", "quiet", "line", "marked"))
ARMS = tuple(drawn for name, (drawn, *_) in COLOURS.items() if name.startswith("arm-"))

# Figure 2: its words, and front, top, side and lines of what belongs to tower 1, to tower 2, and to both.
LETTERS, NOTES = "#1a1a1a", "#555555"
TOWERS = (
    ("#d9e8f5", "#ecf4fb", "#bdd6ec", "#00558a"),
    ("#fbe4d8", "#fdf2ec", "#f4cdb8", "#a84a00"),
    ("#ececec", "#f7f7f7", "#d6d6d6", "#555555"),
)


def on_page(style: str) -> str:
    """A figure's style attribute with the names of the page's colours instead of the figure's own."""
    for name, (drawn, *_) in COLOURS.items():
        style = style.replace(drawn, f"var(--{name})") if drawn else style
    return style


def css() -> str:
    """The colours as custom properties of a style sheet, for a light screen, a dark one and print."""
    light, dark, printed = (
        ":root { " + " ".join(f"--{name}: {colours[i]};" for name, colours in COLOURS.items()) + " }" for i in (1, 2, 3)
    )
    return f"{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n@media print {{ {printed} }}\n"
