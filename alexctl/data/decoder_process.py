"""A process that decodes images for `decoders.py`: run by its path, with `python -P`, until its standard input ends.

A line of it is a JSON list of files below the root. The answer is a line, a list of what is found of each: null if the
image has too many pixels, else [fault or null, remarks]; then the bytes of those without a fault.
"""

import importlib.util
import json
import os
import sys
from pathlib import Path


def main(root: str, size: str, most: str) -> None:
    from alexctl import process
    from alexctl.data.one_image import decode, pillow

    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what else is printed is no answer
    with open(0, "rb", closefd=False) as orders, pillow():
        try:
            for order in orders:
                found = [decode(Path(root), file, int(size), int(most)) for file in json.loads(order)]
                told = [one and [one[0] if isinstance(one[0], str) else None, one[1]] for one in found]
                answers.write(json.dumps(told).encode() + b"\n")
                answers.writelines(one[0] for one in found if one and not isinstance(one[0], str))
                answers.flush()
        except OSError:
            pass  # nobody listens any more
        process.end(0)


if __name__ == "__main__":
    # The alexctl that this file belongs to, installed or not; by its name another one might be found.
    spec = importlib.util.spec_from_file_location("alexctl", Path(__file__).parents[1] / "__init__.py")
    sys.modules["alexctl"] = package = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(package)
    main(*sys.argv[1:])
