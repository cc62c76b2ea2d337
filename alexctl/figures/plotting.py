"""What figures take from matplotlib, and the only module that imports it.

matplotlib reads MPLBACKEND when it is imported, and raises where the notebook that set it is not installed here. No
backend of pyplot is needed, so the variable is kept from it.
"""

import os

_backend = os.environ.pop("MPLBACKEND", None)
try:
    import matplotlib as matplotlib
    from matplotlib.axes import Axes as Axes
    from matplotlib.backends.backend_agg import FigureCanvasAgg as FigureCanvasAgg
    from matplotlib.figure import Figure as Figure
    from matplotlib.text import Annotation as Annotation
    from matplotlib.text import Text as Text
    from matplotlib.transforms import Bbox as Bbox
finally:
    if _backend is not None:  # for whatever else this process starts
        os.environ["MPLBACKEND"] = _backend
