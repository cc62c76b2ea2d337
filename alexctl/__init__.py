"""alexctl puts architectural claims to the test, starting with those of the AlexNet paper (2012).

In Python: `alexctl.ablate("relu-vs-tanh")` runs one, `alexctl.load_results("results")` opens what was run,
`alexctl.stats(frame, ...)` judges anybody's runs. Importing alexctl is light; torch is imported by the first call.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alexctl.api import (
        Result,
        Stopped,
        UserError,
        ablate,
        compare_results,
        load_results,
        merge,
        reference_verdicts,
        stats,
        write_report,
        write_site,
    )

__version__ = "0.1.0"
__all__ = [
    "Result",
    "Stopped",
    "UserError",
    "ablate",
    "compare_results",
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
    from alexctl import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
