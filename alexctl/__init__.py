"""alexctl puts architectural claims to the test, starting with those of the AlexNet paper (2012).

In Python: `alexctl.ablate("relu-vs-tanh")` runs one, `alexctl.load_results("results")` opens what was run,
`alexctl.stats(frame, ...)` judges anybody's runs; `watcher=alexctl.Screen()` shows a run on its way. Importing
alexctl is light; torch is imported by the first call.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alexctl.api import (
        Result,
        Stopped,
        UserError,
        ablate,
        compare_results,
        export,
        load_results,
        merge,
        reference_verdicts,
        stats,
        write_report,
        write_site,
    )
    from alexctl.cli.progress import Screen

__version__ = "0.1.0"
__all__ = [
    "Result",
    "Screen",
    "Stopped",
    "UserError",
    "ablate",
    "compare_results",
    "export",
    "load_results",
    "merge",
    "reference_verdicts",
    "stats",
    "write_report",
    "write_site",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'alexctl' has no attribute '{name}'")
    if name == "Screen":
        from alexctl.cli.progress import Screen

        return Screen
    from alexctl import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
