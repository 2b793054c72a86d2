"""weft: MXNet's programming model on a new asynchronous engine.

``import weft as mx`` gives the API of MXNet 1.9. Modules are imported when they are first used.
"""

from typing import TYPE_CHECKING

from .frontend.aliases import install_as_mxnet as install_as_mxnet
from .frontend.aliases import lazy_attributes
from .frontend.libinfo import __version__ as __version__

if TYPE_CHECKING:  # the same names for type checkers and editors, which do not run __getattr__
    from . import engine as engine
    from . import profiler as profiler
    from .frontend import autograd as autograd
    from .frontend import base as base
    from .frontend import context as context
    from .frontend import ndarray as nd
    from .frontend import ndarray as ndarray
    from .frontend import operator as operator
    from .frontend import random as random
    from .frontend import random as rnd
    from .frontend import runtime as runtime
    from .frontend import symbol as sym
    from .frontend import symbol as symbol
    from .frontend import test_utils as test_utils
    from .frontend import util as util
    from .frontend.attribute import AttrScope as AttrScope
    from .frontend.base import MXNetError as MXNetError
    from .frontend.context import Context as Context
    from .frontend.context import cpu as cpu
    from .frontend.context import cpu_pinned as cpu_pinned
    from .frontend.context import current_context as current_context
    from .frontend.context import gpu as gpu
    from .frontend.context import num_gpus as num_gpus

_MODULES = (
    "attribute autograd base callback context contrib engine error executor executor_manager gluon image img init initializer io kv kvstore libinfo "
    "log lr_scheduler metric mod model module mon monitor name nd ndarray onnx operator opt optimizer profiler random recordio registry "
    "rnd rnn runtime sym symbol test_utils util visualization viz"
).split()

_NAMES = {
    "AttrScope": "attribute",
    "Context": "context",
    "MXNetError": "base",
    "cpu": "context",
    "cpu_pinned": "context",
    "current_context": "context",
    "gpu": "context",
    "gpu_memory_info": "context",
    "is_np_array": "util",
    "is_np_shape": "util",
    "np_array": "util",
    "np_shape": "util",
    "num_gpus": "context",
    "set_np_shape": "util",
    "simulated": "context",
    "use_np": "util",
    "use_np_array": "util",
    "use_np_shape": "util",
}

__getattr__, __dir__ = lazy_attributes(_MODULES, _NAMES)
del lazy_attributes
