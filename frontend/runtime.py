"""What this build and this machine offer: ``Features()`` by MXNet's names."""

from __future__ import annotations

import collections
import platform

from ..ops.cpu import onednn
from ..ops.cpu._target import cpu_target
from .context import num_gpus

__all__ = ["Feature", "Features", "feature_list"]


class Feature:
    """A feature by name, and whether it is there.

    Examples
    --------
    >>> Feature("CUDA", False)
    ✖ CUDA
    """

    __slots__ = ("_enabled", "_name")

    def __init__(self, name: str, enabled: bool) -> None:
        self._name = name
        self._enabled = enabled

    @property
    def name(self) -> str:
        """Name of the feature."""
        return self._name

    @property
    def enabled(self) -> bool:
        """Whether the feature is there."""
        return self._enabled

    def __repr__(self) -> str:
        return f"{'✔' if self.enabled else '✖'} {self.name}"


def _detect() -> dict[str, bool]:
    x86 = platform.machine() in ("x86_64", "AMD64")
    avx2 = cpu_target() == "avx2"
    cuda = num_gpus() > 0
    return {
        "CUDA": cuda,
        "CUDNN": False,
        "NCCL": False,
        "CUDA_RTC": False,
        "TENSORRT": False,
        "CPU_SSE": x86,
        "CPU_SSE2": x86,
        "CPU_SSE3": avx2,
        "CPU_SSE4_1": avx2,
        "CPU_SSE4_2": avx2,
        "CPU_SSE4A": False,
        "CPU_AVX": avx2,
        "CPU_AVX2": avx2,
        "OPENMP": False,  # loops are spread by the engine's own workers
        "SSE": x86,
        "F16C": avx2,
        "JEMALLOC": False,
        "BLAS_OPEN": True,  # NumPy's
        "BLAS_ATLAS": False,
        "BLAS_MKL": False,
        "BLAS_APPLE": False,
        "LAPACK": True,  # NumPy's
        "MKLDNN": onednn.available(),
        "OPENCV": False,
        "CAFFE": False,
        "PROFILER": True,
        "DIST_KVSTORE": False,
        "CXX14": True,
        "INT64_TENSOR_SIZE": True,
        "SIGNAL_HANDLER": False,
        "DEBUG": False,
        "TVM_OP": False,
    }


def feature_list() -> list[Feature]:
    """Return all features in MXNet's order.

    Examples
    --------
    >>> feature_list()[0].name
    'CUDA'
    """
    return [Feature(name, enabled) for name, enabled in _detect().items()]


class Features(collections.OrderedDict):  # type: ignore[type-arg]
    """All features by name; there is one object.

    Examples
    --------
    >>> Features().is_enabled("INT64_TENSOR_SIZE")
    True
    """

    instance: Features | None = None

    def __new__(cls) -> Features:
        if cls.instance is None:
            made = super().__new__(cls)
            collections.OrderedDict.__init__(made, [(feature.name, feature) for feature in feature_list()])
            cls.instance = made
        return cls.instance

    def __init__(self) -> None:
        # Filled by __new__, once.
        pass

    def __repr__(self) -> str:
        return str(list(self.values()))

    def is_enabled(self, feature_name: str) -> bool:
        """Tell whether the feature is there; raises RuntimeError for a name that is unknown."""
        name = feature_name.upper()
        if name not in self:
            raise RuntimeError(f"Feature {feature_name!r} is unknown, known features are: {list(self)}")
        return self[name].enabled
