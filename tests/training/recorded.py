"""A graph as CUDA's, on a CPU: what is done while it is captured is written down and done again at a replay.

Python runs at the capture only. Whatever a step takes from Python at every step, a number, a draw, a place in the
epoch, would stand still in a replay, and show.
"""

from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten

WAITS = {"aten::_local_scalar_dense", "aten::nonzero", "aten::masked_select", "aten::is_nonzero", "aten::equal"}
UNSAID_WRITES = {"aten::native_batch_norm": (3, 4)}  # its running mean and variance, of which its schema says nothing


class Recorded(TorchDispatchMode):
    """Stands in for torch.cuda.CUDAGraph. Unlike that it does the work at the capture too, and takes it back."""

    def __init__(self):
        super().__init__()
        self.calls: list[tuple[Any, tuple, dict, Any]] = []
        self.before: dict[int, tuple[Tensor, Tensor]] = {}

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if func._schema.name in WAITS:
            raise RuntimeError(f"{func} waits for the device, which a capture can't")
        unsaid = UNSAID_WRITES.get(func._schema.name, ())
        for place, (argument, given) in enumerate(zip(func._schema.arguments, args, strict=False)):
            if place in unsaid or (argument.alias_info is not None and argument.alias_info.is_write):
                for tensor in (t for t in tree_flatten(given)[0] if isinstance(t, Tensor)):
                    self.before.setdefault(id(tensor), (tensor, tensor.clone()))
        found = func(*args, **kwargs)
        if not _is_view(func):
            self.calls.append((func, args, kwargs, found))
        return found

    def capture_begin(self, **options: Any) -> None:
        self.__enter__()

    def capture_end(self) -> None:
        self.__exit__(None, None, None)
        with torch.no_grad():
            for tensor, value in reversed(self.before.values()):
                tensor.copy_(value)

    def pool(self) -> None:
        return None

    @torch.no_grad()
    def replay(self) -> None:
        for func, args, kwargs, found in self.calls:
            again = func(*args, **kwargs)
            for old, new in zip(tree_flatten(found)[0], tree_flatten(again)[0], strict=True):
                if isinstance(old, Tensor) and old is not new:
                    old.copy_(new)


def _is_view(func: Any) -> bool:
    aliases = [value.alias_info for value in func._schema.returns]
    return any(alias is not None and not alias.is_write for alias in aliases)


class Stream:
    """A stream on which everything is done at once."""

    def query(self) -> bool:
        return True

    def synchronize(self) -> None:
        pass
