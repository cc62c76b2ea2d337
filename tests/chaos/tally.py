"""Counts faults: how often each was tried and survived. What was tried and did not survive is lost."""

import threading

TRIED: dict[str, int] = {}
SURVIVED: dict[str, int] = {}
IMPOSSIBLE: dict[str, str] = {}
NOTES: list[str] = []
_LOCK = threading.Lock()


def tried(fault: str, times: int = 1) -> None:
    """The fault was done to alexctl; until `survived` says otherwise it counts as lost."""
    with _LOCK:
        TRIED[fault] = TRIED.get(fault, 0) + times


def survived(fault: str, times: int = 1) -> None:
    """All that was expected after the fault was found so."""
    with _LOCK:
        SURVIVED[fault] = SURVIVED.get(fault, 0) + times
    assert SURVIVED[fault] <= TRIED.get(fault, 0), f"{fault}: survived without having been tried"


def impossible(fault: str, why: str) -> None:
    """This machine does not let the suite do the fault."""
    IMPOSSIBLE[fault] = why


def note(text: str) -> None:
    """A line below the table."""
    NOTES.append(text)


def as_plain() -> dict:
    """All that was counted, to be sent to another process."""
    return {"tried": TRIED, "survived": SURVIVED, "impossible": IMPOSSIBLE, "notes": NOTES}


def add(counted: dict) -> None:
    """Takes over what another process counted."""
    for mine, theirs in ((TRIED, "tried"), (SURVIVED, "survived")):
        for fault, times in counted.get(theirs, {}).items():
            mine[fault] = mine.get(fault, 0) + times
    IMPOSSIBLE.update(counted.get("impossible", {}))
    NOTES.extend(counted.get("notes", []))


def table() -> list[str]:
    """The table at the end of the suite, a line a fault."""
    width = max(map(len, [*TRIED, *IMPOSSIBLE, "all"]))
    lines = [f"{'fault':<{width}}  tried  survived  lost"]
    for fault, times in TRIED.items():
        lines.append(_line(fault, times, SURVIVED.get(fault, 0), width))
    lines += [f"{fault:<{width}}  not possible here: {why}" for fault, why in IMPOSSIBLE.items()]
    return [*lines, _line("all", sum(TRIED.values()), sum(SURVIVED.values()), width), *NOTES]


def _line(fault: str, times: int, whole: int, width: int) -> str:
    return f"{fault:<{width}}  {times:>5}  {whole:>8}  {times - whole:>4}"
