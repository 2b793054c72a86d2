"""``mx.init``: how parameters get their first values.

An initializer is called with a name and an array. It finds out from the end of the name what the array is: ``weight``
is what the class is about, ``bias`` and ``beta`` become zero, ``gamma`` one. A name that is an `InitDesc` carries the
attributes of a variable; its ``__init__``, where there is one, decides instead.

>>> import weft as mx
>>> weight = mx.nd.zeros((2, 3))
>>> mx.init.Constant(0.5)(mx.init.InitDesc("fc1_weight"), weight)
>>> weight.asnumpy()
array([[0.5, 0.5, 0.5],
       [0.5, 0.5, 0.5]], dtype=float32)
"""

from __future__ import annotations

import json
import logging
import math
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..ops.array import NDArray
from ..ops.nn_rnn import GATES
from . import random
from .ndarray.serialization import load
from .registry import get_alias_func, get_create_func, get_register_func

__all__ = [
    "Bilinear",
    "Constant",
    "FusedRNN",
    "InitDesc",
    "Initializer",
    "LSTMBias",
    "Load",
    "MSRAPrelu",
    "Mixed",
    "Normal",
    "One",
    "Orthogonal",
    "Uniform",
    "Xavier",
    "Zero",
    "alias",
    "create",
    "register",
]


class InitDesc(str):
    """Name of a parameter with the attributes of its variable.

    Parameters
    ----------
    name : str
    attrs : dict of str to str, optional
        Attributes of the variable, such as ``__init__``.
    global_init : Initializer, optional
        What initializes the rest of the model; composed initializers fall back on it.

    Examples
    --------
    >>> import weft as mx
    >>> desc = mx.init.InitDesc("x_weight", {"__init__": mx.init.One().dumps()})
    >>> array = mx.nd.zeros((2,))
    >>> mx.init.Uniform()(desc, array)
    >>> array.asnumpy()
    array([1., 1.], dtype=float32)
    """

    attrs: dict[str, str]
    global_init: Any

    def __new__(cls, name: str, attrs: dict[str, str] | None = None, global_init: Any = None) -> InitDesc:
        self = super().__new__(cls, name)
        self.attrs = attrs or {}
        self.global_init = global_init
        return self


#: Endings of names, and the method that gives such a parameter its values.
_ENDINGS = {
    "weight": "_init_weight",
    "bias": "_init_bias",
    "gamma": "_init_gamma",
    "beta": "_init_beta",
    "moving_mean": "_init_zero",
    "moving_var": "_init_one",
    "moving_inv_var": "_init_zero",
    "moving_avg": "_init_zero",
    "min": "_init_zero",
    "max": "_init_one",
    "weight_quantize": "_init_quantized_weight",
    "bias_quantize": "_init_quantized_bias",
}


def _kind(name: str) -> str:
    """Return the ending of `_ENDINGS` that `name` has, or an empty string."""
    return next((ending for ending in _ENDINGS if name.endswith(ending)), "")


def _root_mean_square(array: NDArray) -> str:
    return str((array.norm() / math.sqrt(array.size)).asscalar())


class Initializer:
    """Base of the initializers; subclasses define ``_init_weight(name, array)``.

    Parameters
    ----------
    **kwargs
        The arguments with which such an initializer is made again; :meth:`dumps` writes them.

    Examples
    --------
    >>> import weft as mx
    >>> @mx.init.register
    ... class Halves(mx.init.Initializer):
    ...     def _init_weight(self, name, array):
    ...         array[:] = 0.5
    >>> array = mx.nd.zeros((2,))
    >>> mx.init.create("halves")(mx.init.InitDesc("fc_weight"), array)
    >>> array.asnumpy()
    array([0.5, 0.5], dtype=float32)
    """

    def __init__(self, **kwargs: Any) -> None:
        self._kwargs = kwargs
        self._verbose = False
        self._print_func: Callable[[NDArray], str] | None = None

    def set_verbosity(self, verbose: bool = False, print_func: Callable[[NDArray], str] | None = None) -> Initializer:
        """Log what is initialized, with `print_func` of its values (by default their root mean square)."""
        self._verbose = verbose
        self._print_func = print_func or _root_mean_square
        return self

    def _verbose_print(self, desc: str, init: str, arr: NDArray) -> None:
        if self._verbose and self._print_func:
            logging.info("Initialized %s as %s: %s", desc, init, self._print_func(arr))

    def dumps(self) -> str:
        """Return the initializer as JSON, for the ``__init__`` attribute of a variable.

        Examples
        --------
        >>> import weft as mx
        >>> mx.init.Normal(sigma=0.5).dumps()
        '["normal", {"sigma": 0.5}]'
        """
        return json.dumps([type(self).__name__.lower(), self._kwargs])

    def __call__(self, desc: str, arr: NDArray) -> None:
        """Give `arr` the values for a parameter of the name `desc`."""
        if not isinstance(desc, InitDesc):
            self._legacy_init(desc, arr)
            return
        if desc.global_init is None:
            desc.global_init = self
        chosen = desc.attrs.get("__init__", "")
        if chosen:
            create(chosen)._init_weight(desc, arr)
            self._verbose_print(desc, chosen, arr)
            return
        kind = _kind(desc)
        getattr(self, _ENDINGS.get(kind, "_init_default"))(desc, arr)
        self._verbose_print(desc, kind, arr)

    def _legacy_init(self, name: str, arr: NDArray) -> None:
        """Initialize by a plain name, which had rules of its own for up-sampling and spatial transformers."""
        if not isinstance(name, str):
            raise TypeError(f"the name of a parameter must be a string, got {name!r}")
        if not isinstance(arr, NDArray):
            raise TypeError(f"arr must be an NDArray, got {type(arr).__name__}")
        warnings.warn(
            "calling an initializer with a plain name is deprecated: use init(mx.init.InitDesc(name), array)",
            DeprecationWarning,
            stacklevel=3,
        )
        kind = _kind(name)
        if name.startswith("upsampling"):
            self._init_bilinear(name, arr)
        elif name.startswith("stn_loc") and kind == "weight":
            self._init_zero(name, arr)
        elif name.startswith("stn_loc") and kind == "bias":
            self._init_loc_bias(name, arr)
        else:
            getattr(self, _ENDINGS.get(kind, "_init_default"))(name, arr)

    def _init_bilinear(self, name: str, arr: NDArray) -> None:
        arr[:] = _bilinear_kernel(arr.shape)

    def _init_loc_bias(self, name: str, arr: NDArray) -> None:
        if arr.shape[0] != 6:
            raise ValueError(f"{name} has shape {arr.shape}, expected 6 entries: the identity transform")
        arr[:] = np.array([1.0, 0.0, 0.0, 0.0, 1.0, 0.0])

    def _init_zero(self, name: str, arr: NDArray) -> None:
        arr[:] = 0.0

    def _init_one(self, name: str, arr: NDArray) -> None:
        arr[:] = 1.0

    def _init_bias(self, name: str, arr: NDArray) -> None:
        arr[:] = 0.0

    def _init_gamma(self, name: str, arr: NDArray) -> None:
        arr[:] = 1.0

    def _init_beta(self, name: str, arr: NDArray) -> None:
        arr[:] = 0.0

    def _init_quantized_weight(self, name: str, arr: NDArray) -> None:
        arr[:] = random.randint(-127, 127, shape=arr.shape, dtype="int32", ctx=arr.context)

    def _init_quantized_bias(self, name: str, arr: NDArray) -> None:
        arr[:] = 0

    def _init_weight(self, name: str, arr: NDArray) -> None:
        raise NotImplementedError(f"{type(self).__name__} must define _init_weight")

    def _init_default(self, name: str, arr: NDArray) -> None:
        raise ValueError(
            f"the name {name!r} does not say how to initialize it: expected an ending of {', '.join(_ENDINGS)}; "
            "give the variable an initializer with mx.sym.Variable(init=mx.init.*)"
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Initializer):
            return NotImplemented
        return type(self) is type(other) and self._kwargs == other._kwargs


_register = get_register_func(Initializer, "initializer")
alias = get_alias_func(Initializer, "initializer")
create = get_create_func(Initializer, "initializer")


def register(klass: type) -> type:
    """Register a subclass of `Initializer` under the name of its class, in lower case.

    Examples
    --------
    >>> import weft as mx
    >>> @mx.init.register
    ... class Quarters(mx.init.Initializer):
    ...     pass
    >>> type(mx.init.create("quarters")).__name__
    'Quarters'
    """
    return _register(klass)


class Load:
    """Take values from a dict of arrays, or from a ``.params`` file; the rest from another initializer.

    Parameters
    ----------
    param : str or dict of str to NDArray
        File, or arrays by name; ``arg:`` and ``aux:`` in front of names do not count.
    default_init : Initializer, optional
        For names that are not there.
    verbose : bool
        Whether to log each parameter.

    Examples
    --------
    >>> import weft as mx
    >>> init = mx.init.Load({"arg:fc_weight": mx.nd.ones((2,))}, default_init=mx.init.Zero())
    >>> array = mx.nd.zeros((2,))
    >>> init("fc_weight", array)
    >>> array.asnumpy()
    array([1., 1.], dtype=float32)
    """

    def __init__(self, param: str | Mapping[str, NDArray], default_init: Callable[..., None] | None = None, verbose: bool = False) -> None:
        arrays = load(param) if isinstance(param, str) else param
        if not isinstance(arrays, Mapping):
            raise TypeError(f"param must be a dict of arrays or a file with names, got {type(arrays).__name__}")
        self.param = {name[4:] if name.startswith(("arg:", "aux:")) else name: array for name, array in arrays.items()}
        self.default_init = default_init
        self.verbose = verbose

    def __call__(self, name: str, arr: NDArray) -> None:
        """Give `arr` the values of `name`."""
        source = self.param.get(name)
        if source is None:
            if self.default_init is None:
                raise ValueError(f"parameter {name!r} is not among those loaded, and no default_init is given")
            self.default_init(name, arr)
        else:
            if source.shape != arr.shape:
                raise ValueError(f"parameter {name!r} has shape {arr.shape}, but the loaded one has shape {source.shape}")
            arr[:] = source
        if self.verbose:
            logging.info("Initialized %s by %s", name, "default" if source is None else "loading")


class Mixed:
    """Choose the initializer by the first pattern that matches the beginning of the name.

    Parameters
    ----------
    patterns : list of str
        Regular expressions.
    initializers : list of Initializer
        One for each pattern.

    Examples
    --------
    >>> import weft as mx
    >>> init = mx.init.Mixed(["fc1", ".*"], [mx.init.One(), mx.init.Zero()])
    >>> array = mx.nd.zeros((2,))
    >>> init(mx.init.InitDesc("fc1_weight"), array)
    >>> array.asnumpy()
    array([1., 1.], dtype=float32)
    """

    def __init__(self, patterns: Sequence[str], initializers: Sequence[Callable[..., None]]) -> None:
        if len(patterns) != len(initializers):
            raise ValueError(f"there are {len(patterns)} patterns and {len(initializers)} initializers; expected as many")
        self.map = [(re.compile(pattern), initializer) for pattern, initializer in zip(patterns, initializers)]

    def __call__(self, name: str, arr: NDArray) -> None:
        """Give `arr` the values of the first initializer whose pattern matches."""
        for pattern, initializer in self.map:
            if pattern.match(name):
                initializer(name, arr)
                return
        tried = ", ".join(repr(pattern.pattern) for pattern, _ in self.map)
        raise ValueError(f"parameter {name!r} matches none of the patterns {tried}; add '.*' as the last one")


@register
@alias("zeros")
class Zero(Initializer):
    """Zeros.

    Examples
    --------
    >>> import weft as mx
    >>> mx.init.Zero().dumps()
    '["zero", {}]'
    """

    def __init__(self) -> None:
        super().__init__()

    def _init_weight(self, name: str, arr: NDArray) -> None:
        arr[:] = 0


@register
@alias("ones")
class One(Initializer):
    """Ones.

    Examples
    --------
    >>> import weft as mx
    >>> mx.init.One().dumps()
    '["one", {}]'
    """

    def __init__(self) -> None:
        super().__init__()

    def _init_weight(self, name: str, arr: NDArray) -> None:
        arr[:] = 1


@register
class Constant(Initializer):
    """One value everywhere, or the values of an array.

    Examples
    --------
    >>> import weft as mx
    >>> mx.init.Constant(2.5).dumps()
    '["constant", {"value": 2.5}]'
    """

    def __init__(self, value: Any) -> None:
        super().__init__(value=value)
        self.value = value

    def _init_weight(self, name: str, arr: NDArray) -> None:
        arr[:] = self.value

    def dumps(self) -> str:
        """Return the initializer as JSON; arrays are written as nested lists."""
        value = self._kwargs["value"]
        if not np.isscalar(value):
            self._kwargs["value"] = np.asarray(value.asnumpy() if isinstance(value, NDArray) else value).tolist()
        elif isinstance(value, np.generic):
            self._kwargs["value"] = value.item()
        return super().dumps()


@register
class Uniform(Initializer):
    """Numbers evenly distributed between -`scale` and `scale`.

    Examples
    --------
    >>> import weft as mx
    >>> array = mx.nd.zeros((100,))
    >>> mx.init.Uniform(0.1)(mx.init.InitDesc("weight"), array)
    >>> bool(abs(array.asnumpy()).max() <= 0.1)
    True
    """

    def __init__(self, scale: float = 0.07) -> None:
        super().__init__(scale=scale)
        self.scale = scale

    def _init_weight(self, name: str, arr: NDArray) -> None:
        random.uniform(-self.scale, self.scale, arr.shape, out=arr)


@register
class Normal(Initializer):
    """Normally distributed numbers around zero, with standard deviation `sigma`.

    Examples
    --------
    >>> import weft as mx
    >>> mx.init.Normal(0.5).sigma
    0.5
    """

    def __init__(self, sigma: float = 0.01) -> None:
        super().__init__(sigma=sigma)
        self.sigma = sigma

    def _init_weight(self, name: str, arr: NDArray) -> None:
        random.normal(0, self.sigma, arr.shape, out=arr)


@register
class Orthogonal(Initializer):
    """A matrix with orthogonal rows or columns of length `scale`, Saxe, McClelland and Ganguli (2014).

    Parameters
    ----------
    scale : float
    rand_type : {'uniform', 'normal'}
        Distribution of the random matrix whose singular vectors are taken.

    Examples
    --------
    >>> import weft as mx
    >>> array = mx.nd.zeros((3, 5))
    >>> mx.init.Orthogonal(scale=1)(mx.init.InitDesc("weight"), array)
    >>> mx.nd.dot(array, array.T).asnumpy().round(4) + 0.0
    array([[1., 0., 0.],
           [0., 1., 0.],
           [0., 0., 1.]], dtype=float32)
    """

    def __init__(self, scale: float = 1.414, rand_type: str = "uniform") -> None:
        super().__init__(scale=scale, rand_type=rand_type)
        self.scale = scale
        self.rand_type = rand_type

    def _init_weight(self, name: str, arr: NDArray) -> None:
        shape = (arr.shape[0], math.prod(arr.shape[1:]))
        if self.rand_type == "uniform":
            start = random.uniform(-1.0, 1.0, shape=shape)
        elif self.rand_type == "normal":
            start = random.normal(0.0, 1.0, shape=shape)
        else:
            raise ValueError(f"rand_type must be 'uniform' or 'normal', got {self.rand_type!r}")
        left, _, right = np.linalg.svd(start.asnumpy(), full_matrices=False)
        arr[:] = self.scale * (left if left.shape == shape else right).reshape(arr.shape)


@register
class Xavier(Initializer):
    """Random numbers whose variance keeps the scale of gradients from layer to layer, Glorot and Bengio (2010).

    The variance is `magnitude` divided by the number of inputs or outputs of the layer.

    Parameters
    ----------
    rnd_type : {'uniform', 'gaussian'}
    factor_type : {'avg', 'in', 'out'}
        Which number: that of inputs, of outputs, or the mean of both.
    magnitude : float

    Examples
    --------
    >>> import weft as mx
    >>> array = mx.nd.zeros((10, 20))
    >>> mx.init.Xavier()(mx.init.InitDesc("weight"), array)
    >>> bool(abs(array.asnumpy()).max() <= (3 / 15) ** 0.5)
    True
    """

    def __init__(self, rnd_type: str = "uniform", factor_type: str = "avg", magnitude: float = 3) -> None:
        super().__init__(rnd_type=rnd_type, factor_type=factor_type, magnitude=magnitude)
        self.rnd_type = rnd_type
        self.factor_type = factor_type
        self.magnitude = float(magnitude)

    def _init_weight(self, name: str, arr: NDArray) -> None:
        shape = arr.shape
        if len(shape) < 2:
            raise ValueError(f"{type(self).__name__} cannot initialize {name!r} of shape {shape}: it needs at least two dimensions")
        window = math.prod(shape[2:])
        inputs, outputs = shape[1] * window, shape[0] * window
        factors = {"avg": (inputs + outputs) / 2.0, "in": inputs, "out": outputs}
        if self.factor_type not in factors:
            raise ValueError(f"factor_type must be 'avg', 'in' or 'out', got {self.factor_type!r}")
        scale = math.sqrt(self.magnitude / factors[self.factor_type])
        if self.rnd_type == "uniform":
            random.uniform(-scale, scale, shape, out=arr)
        elif self.rnd_type == "gaussian":
            random.normal(0, scale, shape, out=arr)
        else:
            raise ValueError(f"rnd_type must be 'uniform' or 'gaussian', got {self.rnd_type!r}")


@register
class MSRAPrelu(Xavier):
    """Xavier for layers that are followed by a PReLU with `slope`, He and others (2015).

    Examples
    --------
    >>> import weft as mx
    >>> mx.init.MSRAPrelu(slope=0).magnitude
    2.0
    """

    def __init__(self, factor_type: str = "avg", slope: float = 0.25) -> None:
        super().__init__("gaussian", factor_type, 2.0 / (1 + slope**2))
        self._kwargs = {"factor_type": factor_type, "slope": slope}


def _bilinear_kernel(shape: tuple[int, ...]) -> np.ndarray:
    """Return filters that interpolate: tents over height and width, as wide as the last axis asks."""
    if len(shape) != 4:
        raise ValueError(f"filters for bilinear interpolation have shape {shape}, expected four dimensions")
    half = math.ceil(shape[3] / 2.0)
    centre = (2 * half - 1 - half % 2) / (2.0 * half)
    tall, wide = (1 - np.abs(np.arange(size) / half - centre) for size in shape[2:])
    return np.broadcast_to((tall[:, None] * wide).astype(np.float32), shape)


@register
class Bilinear(Initializer):
    """Filters of a transposed convolution that interpolates.

    Examples
    --------
    >>> import weft as mx
    >>> array = mx.nd.zeros((1, 1, 4, 4))
    >>> mx.init.Bilinear()(mx.init.InitDesc("weight"), array)
    >>> array[0, 0, 1].asnumpy()
    array([0.1875, 0.5625, 0.5625, 0.1875], dtype=float32)
    """

    def __init__(self) -> None:
        super().__init__()

    def _init_weight(self, name: str, arr: NDArray) -> None:
        self._init_bilinear(name, arr)


@register
class LSTMBias(Initializer):
    """Zeros, but `forget_bias` for the second of four parts: the forget gates.

    Examples
    --------
    >>> import weft as mx
    >>> array = mx.nd.zeros((8,))
    >>> mx.init.LSTMBias()(mx.init.InitDesc("weight"), array)
    >>> array.asnumpy()
    array([0., 0., 1., 1., 0., 0., 0., 0.], dtype=float32)
    """

    def __init__(self, forget_bias: float = 1.0) -> None:
        super().__init__(forget_bias=forget_bias)
        self.forget_bias = forget_bias

    def _init_weight(self, name: str, arr: NDArray) -> None:
        hidden = arr.shape[0] // 4
        arr[:] = 0.0
        arr[hidden : 2 * hidden] = self.forget_bias


#: Names of the gates, in the order of the packed parameters.
GATE_NAMES = {"rnn_relu": ("",), "rnn_tanh": ("",), "lstm": ("_i", "_f", "_c", "_o"), "gru": ("_r", "_z", "_o")}


@register
class FusedRNN(Initializer):
    """The packed parameters of the operator RNN, part by part, as if each were a parameter of its own.

    Parameters
    ----------
    init : Initializer or str or None
        For the parts; None: the initializer of the whole model.
    num_hidden, num_layers : int
    mode : {'rnn_relu', 'rnn_tanh', 'lstm', 'gru'}
    bidirectional : bool
    forget_bias : float
        Bias of the forget gates of an LSTM.

    Examples
    --------
    >>> import weft as mx
    >>> array = mx.nd.zeros((4 * 2 * (3 + 2 + 2),))
    >>> mx.init.FusedRNN(mx.init.One(), num_hidden=2, num_layers=1, mode="lstm", forget_bias=5)(
    ...     mx.init.InitDesc("rnn_weight"), array)
    >>> array[:40].asnumpy().min(), array[40:48].asnumpy()
    (np.float32(1.0), array([0., 0., 5., 5., 0., 0., 0., 0.], dtype=float32))
    """

    def __init__(
        self,
        init: Initializer | str | None,
        num_hidden: int,
        num_layers: int,
        mode: str,
        bidirectional: bool = False,
        forget_bias: float = 1.0,
    ) -> None:
        if mode not in GATES:
            raise ValueError(f"mode must be one of {', '.join(GATES)}, got {mode!r}")
        parts: Initializer | None = create(init) if isinstance(init, str) else init
        super().__init__(
            init=parts.dumps() if parts is not None else None,
            num_hidden=num_hidden,
            num_layers=num_layers,
            mode=mode,
            bidirectional=bidirectional,
            forget_bias=forget_bias,
        )
        self._init = parts
        self._num_hidden = num_hidden
        self._num_layers = num_layers
        self._mode = mode
        self._bidirectional = bidirectional
        self._forget_bias = forget_bias

    def parts(self, size: int) -> list[tuple[str, tuple[int, ...]]]:
        """Return name and shape of each part of `size` packed parameters, in order.

        Examples
        --------
        >>> import weft as mx
        >>> mx.init.FusedRNN(None, num_hidden=2, num_layers=1, mode="rnn_tanh").parts(2 * (3 + 2 + 2))
        [('l0_i2h_weight', (2, 3)), ('l0_h2h_weight', (2, 2)), ('l0_i2h_bias', (2,)), ('l0_h2h_bias', (2,))]
        """
        hidden, gates, ways = self._num_hidden, GATE_NAMES[self._mode], 2 if self._bidirectional else 1
        # What the layers above the first take is known; the rest tells how many features go in.
        features = (size - self.size(0)) // (ways * len(gates) * hidden)
        layers = [(f"{way}{layer}", layer) for layer in range(self._num_layers) for way in "lr"[:ways]]
        parts: list[tuple[str, tuple[int, ...]]] = []
        for prefix, layer in layers:
            width = features if layer == 0 else ways * hidden
            parts += [(f"{prefix}_i2h{gate}_weight", (hidden, width)) for gate in gates]
            parts += [(f"{prefix}_h2h{gate}_weight", (hidden, hidden)) for gate in gates]
        for prefix, _ in layers:
            parts += [(f"{prefix}_{kind}{gate}_bias", (hidden,)) for kind in ("i2h", "h2h") for gate in gates]
        if features < 1 or sum(math.prod(shape) for _, shape in parts) != size:
            raise ValueError(
                f"{size} parameters are not those of a {self._mode} with num_hidden={hidden}, num_layers={self._num_layers}, "
                f"bidirectional={self._bidirectional}"
            )
        return parts

    def size(self, features: int) -> int:
        """Return the number of packed parameters where the input has `features` features."""
        hidden, ways = self._num_hidden, 2 if self._bidirectional else 1
        columns = features + hidden + 2 + (self._num_layers - 1) * (ways * hidden + hidden + 2)
        return ways * len(GATE_NAMES[self._mode]) * hidden * columns

    def _init_weight(self, desc: str, arr: NDArray) -> None:
        fallback = getattr(desc, "global_init", None)
        init = self._init if self._init is not None else fallback
        if init is None:
            raise ValueError(f"FusedRNN has neither init nor an initializer of the whole model for {desc!r}")
        place = 0
        for name, shape in self.parts(arr.size):
            part = arr[place : place + math.prod(shape)].reshape(shape)
            place += part.size
            if self._mode == "lstm" and name.endswith("_f_bias"):
                part[:] = self._forget_bias
            else:
                init(InitDesc(name, global_init=fallback), part)
