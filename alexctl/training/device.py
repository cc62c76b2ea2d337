"""The device a trial runs on: which one, in which precision it multiplies, and when it has finished."""

import contextlib
import gc
from collections.abc import Callable, Iterator

import torch

from alexctl.errors import UserError


def choose_devices(name: str) -> list[torch.device]:
    """`auto` and `cuda` are all GPUs this process may use (CUDA_VISIBLE_DEVICES), else as `choose_device`."""
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name in ("auto", "cuda") and count:
        return [torch.device(f"cuda:{i}") for i in range(count)]
    return [choose_device(name)]


def choose_device(name: str) -> torch.device:
    """`auto`, `cpu`, `cuda`, `cuda:N` or `mps`; UserError says what this machine has instead."""
    has = ["cpu"] + ["mps"] * torch.backends.mps.is_available()
    has += [f"cuda:{i}" for i in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    if name == "auto":
        return torch.device("cuda:0" if "cuda:0" in has else has[-1])
    wanted = "cuda:0" if name == "cuda" else name
    if wanted not in has:
        raise UserError(f"--device {name}: not on this machine, which has: {', '.join(has)} (or auto)")
    return torch.device(wanted)


def free_bytes(device: torch.device) -> int:
    """What is free of a GPU's own memory, also for other processes; 0 on other devices."""
    if device.type != "cuda":
        return 0
    torch.cuda.empty_cache()  # what torch holds ready here, nobody else can have
    return torch.cuda.mem_get_info(device)[0]


def has_tf32(device: torch.device) -> bool:
    """Whether this device can round the factors of float32 products to TF32."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)


def has_bfloat16(device: torch.device) -> bool:
    """Whether this device multiplies bfloat16 itself; one that imitates it is slower than with float32."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether it says that a device's memory did not suffice; cuDNN and cuBLAS have their own words for it."""
    words = ("out of memory", "ALLOC_FAILED")
    return isinstance(error, torch.OutOfMemoryError) or (
        isinstance(error, RuntimeError) and any(word in str(error) for word in words)
    )


def release_memory(device: torch.device) -> None:
    """Gives back what torch holds ready of a GPU's memory, and what nobody refers to any more."""
    if device.type == "cuda":
        gc.collect()
        torch.cuda.empty_cache()


def arithmetic(precision: str, device: torch.device) -> torch.autocast:
    """What a forward pass runs in: products of this precision; weights, gradients and updates stay float32."""
    return torch.autocast(device.type, torch.bfloat16, enabled=precision == "bfloat16")


@contextlib.contextmanager
def multiplying(precision: str, device: torch.device) -> Iterator[None]:
    """Where the precision is TF32: products of float32 round their factors to it, forward and backward."""
    if precision != "tf32" or device.type != "cuda":
        yield
        return
    try:
        _allow_tf32(True)
        yield
    finally:
        _allow_tf32(False)


def keep_float32_exact() -> None:
    """From now on float32 means IEEE float32 on a GPU too, where torch lets convolutions round their factors to TF32."""
    _allow_tf32(False)


def _allow_tf32(allowed: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def synchroniser(device: torch.device) -> Callable[[], None]:
    """What to call before reading the clock, so that queued work is counted where it belongs."""
    if device.type == "cuda":
        return lambda: torch.cuda.synchronize(device)
    if device.type == "mps":
        return torch.mps.synchronize
    return lambda: None
