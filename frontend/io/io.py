"""The names of :mod:`weft.io` where MXNet defines them, for ``from mxnet.io.io import ...``."""

from . import *  # noqa: F403
from . import __all__ as __all__
from . import _init_data as _init_data
