"""Devices: the public face of :mod:`weft.ops.context`, and what is known of GPUs."""

from __future__ import annotations

from ..ops.context import Context, cpu, cpu_pinned, current_context, gpu, simulated
from .base import MXNetError

__all__ = ["Context", "cpu", "cpu_pinned", "current_context", "gpu", "gpu_memory_info", "num_gpus", "simulated"]


def num_gpus() -> int:
    """Count the GPUs that weft can compute on: none, since this version has CPU kernels only.

    Programs choose their device with it, so it counts what weft can use and not what the machine holds.

    Examples
    --------
    >>> import weft as mx
    >>> ctx = mx.gpu() if mx.num_gpus() else mx.cpu()
    """
    return 0


def gpu_memory_info(device_id: int = 0) -> tuple[int, int]:
    """Return the free and the total memory of a GPU in bytes.

    Raises
    ------
    MXNetError
        Where there is no such GPU.
    """
    raise MXNetError(f"gpu_memory_info: there is no gpu({device_id}), the number of GPUs is {num_gpus()}")
