"""Starts `worker.py` (`second_rank.py`, where that is asked for) of the alexctl that this file belongs to, installed or not: run by its path, with `python -P`.

`python -m` would look for alexctl in the current folder first, and for the standard library too.
"""

import importlib.util
import sys
from pathlib import Path

if __name__ == "__main__":
    spec = importlib.util.spec_from_file_location("alexctl", Path(__file__).parents[1] / "__init__.py")
    sys.modules["alexctl"] = package = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)
    if "--second-rank" in sys.argv:
        from alexctl.trials.second_rank import main
    else:
        from alexctl.trials.worker import main

    main()
