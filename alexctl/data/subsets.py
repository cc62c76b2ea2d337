"""Which training images are trained on: a subset spread over the data, and a share held out of every class."""

from collections.abc import Sequence

import numpy as np

from alexctl.errors import UserError


def subset(labels: np.ndarray, count: int, notes: Sequence[str] = ()) -> np.ndarray:
    """The positions of `count` images spread evenly over the data, which may be sorted by class.

    UserError when there are fewer, with what the data's notes say was skipped.
    """
    if count > len(labels):
        skipped = "".join(f"; {note}" for note in notes if note.startswith("skipped"))
        raise UserError(f"num_train: {count} images asked for, the data has {len(labels)}{skipped}")
    return np.arange(count) * len(labels) // count


def split(labels: np.ndarray, chosen: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """(positions to train on, positions held out) of the chosen ones: the share of each class, spread evenly over the
    order they come in, so that the same images are held out in every trial.

    UserError where a class would have nothing left on one of the sides.
    """
    held_out = np.zeros(len(chosen), dtype=bool)
    for label in np.unique(labels[chosen]):
        mine = np.flatnonzero(labels[chosen] == label)
        count = round(share * len(mine))
        if not 0 < count < len(mine):
            raise UserError(
                f"validation: a share of {share:g} of the {len(mine)} training images of class {label} is {count}; both "
                f"sides need one at least, so give a share of {1 / len(mine):.2g} or more, or more images"
                + ("; a class of one image can't be held out" if len(mine) < 2 else "")
            )
        held_out[mine[(np.arange(count) * 2 + 1) * len(mine) // (2 * count)]] = True
    return chosen[~held_out], chosen[held_out]
