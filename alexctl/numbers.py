"""Numbers as people read them: one writer for each kind, so that page, terminal and sentences agree."""


def decimals(value: float, digits: int) -> int:
    """How many decimals it takes to show so many significant digits."""
    return max(0, digits - 1 - int(f"{value:.{digits - 1}e}".partition("e")[2])) if value else 0


def significant(value: float, digits: int = 3) -> str:
    """So many significant digits, zeros among them, and no exponent: '8.30', '0.0357', '12,346'."""
    return f"{value:,.{decimals(value, digits)}f}"


def effect(value: float, scale: str) -> str:
    """A ratio to three digits; points and differences with their sign. The unit is not written."""
    if scale == "ratio":
        return significant(value) if 1e-4 < value < 1e7 else f"{value:.2e}"
    return f"{value:+.2f}" if scale == "points" else f"{value:+.3g}"


def claimed(value: float, scale: str) -> str:
    """A claimed effect, with the digits that its file has."""
    return f"{value:+g}" if scale == "points" and value else f"{value:g}"


def level(value: float) -> str:
    """The level of an interval: '95%', '98.3%'."""
    return f"{100 * value:.3g}%"


def typographic(text: str) -> str:
    """The same with minus signs for hyphens, where a page or a document surely has them."""
    return text.replace("-", "−")


def counted(number: int, what: str) -> str:
    """'1 worker', '2,000 workers', '3 studies'."""
    return f"{number:,} {what if number == 1 else plural(what)}"


def plural(what: str) -> str:
    """'workers', 'studies'."""
    return f"{what[:-1]}ies" if what.endswith("y") else f"{what}s"


def seeds(share: range) -> str:
    """'seed 0', 'seeds 6 to 11'."""
    return f"seed {share[0]}" if len(share) == 1 else f"seeds {share[0]} to {share[-1]}"


def compact(number: float) -> str:
    """Three digits and a prefix: '105 M'."""
    for unit, prefix in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if number >= unit:
            return f"{float(f'{number / unit:.3g}'):g}{prefix}"
    return f"{number:g}"


def byte_size(number: float) -> str:
    """Bytes in powers of ten: '3.2 GB', '96 MB'."""
    return f"{number / 1e9:.1f} GB" if number >= 1e9 else f"{number / 1e6:,.0f} MB"


def duration(seconds: float, form: str = ".0f") -> str:
    """How long something takes: '12 s', '5 min', '1.5 h', '3 days'; `form` is that of seconds."""
    if seconds < 90:
        return f"{seconds:{form}} s"
    minutes = seconds / 60
    if minutes < 90:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.1f} h" if minutes < 48 * 60 else f"{minutes / 60 / 24:,.0f} days"


def elapsed(seconds: float) -> str:
    """What a stopwatch shows: '0:07', '1:02:03'."""
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
