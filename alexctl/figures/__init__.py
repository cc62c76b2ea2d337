"""Frames in, matplotlib Figures out; the only wing that imports matplotlib, and without pyplot.

Nothing is drawn at import. But matplotlib reads MPLBACKEND when it is imported, and raises where the notebook that set
it is not installed here; no backend of pyplot is needed, so the variable is kept from it.
"""

import os

_backend = os.environ.pop("MPLBACKEND", None)
try:
    import matplotlib as matplotlib
finally:
    if _backend is not None:  # for whatever the user's process starts
        os.environ["MPLBACKEND"] = _backend
