"""Recurrent cells of gates, with products or convolutions as connections.

What a cell does with its gates does not depend on how they are connected: :class:`_Recurrence` and its subclasses
are the one, :class:`_Dense` and :class:`BaseConvRNNCell` the other.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from .. import initializer as init
from .. import symbol
from ..symbol import Symbol
from .base import BaseRNNCell, RNNParams

__all__ = ["BaseConvRNNCell", "ConvGRUCell", "ConvLSTMCell", "ConvRNNCell", "GRUCell", "LSTMCell", "RNNCell"]

_States = list[Symbol]


class _Recurrence(BaseRNNCell):
    """A cell whose gates are the sum of what two connections give."""

    _activation: Any = "tanh"
    #: Where a convolution's gates are.
    _gates_axis: dict[str, int] = {}
    _iW: Symbol
    _iB: Symbol
    _hW: Symbol
    _hB: Symbol

    def _connected(self, inputs: Symbol, state: Symbol, name: str) -> tuple[Any, Any]:
        """Return all gates' parts from the input and from the previous state."""
        raise NotImplementedError(f"{type(self).__name__} does not say how it is connected")

    @property
    def _gate_names(self) -> tuple[str, ...]:
        raise NotImplementedError(f"{type(self).__name__} does not name its gates")


class _Simple(_Recurrence):
    """One gate, which is the output."""

    @property
    def _gate_names(self) -> tuple[str, ...]:
        return ("",)

    def __call__(self, inputs: Symbol, states: _States) -> tuple[Symbol, _States]:
        name = self._step_name()
        i2h, h2h = self._connected(inputs, states[0], name)
        output = self._get_activation(i2h + h2h, self._activation, name=f"{name}out")
        return output, [output]


class _LSTM(_Recurrence):
    """Input, forget and output gates around a memory."""

    @property
    def _gate_names(self) -> tuple[str, ...]:
        return ("_i", "_f", "_c", "_o")

    def __call__(self, inputs: Symbol, states: _States) -> tuple[Symbol, _States]:
        name = self._step_name()
        i2h, h2h = self._connected(inputs, states[0], name)
        gates = symbol.SliceChannel(i2h + h2h, num_outputs=4, name=f"{name}slice", **self._gates_axis)
        open_in = symbol.Activation(gates[0], act_type="sigmoid", name=f"{name}i")
        keep = symbol.Activation(gates[1], act_type="sigmoid", name=f"{name}f")
        new = self._get_activation(gates[2], self._activation, name=f"{name}c")
        open_out = symbol.Activation(gates[3], act_type="sigmoid", name=f"{name}o")
        memory = symbol._internal._plus(keep * states[1], open_in * new, name=f"{name}state")
        output = symbol._internal._mul(open_out, self._get_activation(memory, self._activation), name=f"{name}out")
        return output, [output, memory]


class _GRU(_Recurrence):
    """Reset and update gates."""

    @property
    def _gate_names(self) -> tuple[str, ...]:
        return ("_r", "_z", "_o")

    def __call__(self, inputs: Symbol, states: _States) -> tuple[Symbol, _States]:
        name = self._step_name()
        i2h, h2h = self._connected(inputs, states[0], self._connection_name(name))
        axis = {} if self._gates_axis == {"axis": 1} else self._gates_axis  # MXNet's graphs leave the default out
        i2h_r, i2h_z, i2h_o = symbol.SliceChannel(i2h, num_outputs=3, name=f"{name}_i2h_slice", **axis)
        h2h_r, h2h_z, h2h_o = symbol.SliceChannel(h2h, num_outputs=3, name=f"{name}_h2h_slice", **axis)
        reset = symbol.Activation(i2h_r + h2h_r, act_type="sigmoid", name=f"{name}_r_act")
        update = symbol.Activation(i2h_z + h2h_z, act_type="sigmoid", name=f"{name}_z_act")
        new = self._get_activation(i2h_o + reset * h2h_o, self._activation, name=f"{name}_h_act")
        output = symbol._internal._plus((1.0 - update) * new, update * states[0], name=f"{name}out")
        return output, [output]

    def _connection_name(self, name: str) -> str:
        return name


class _Dense(_Recurrence):
    """Connections are matrix products."""

    def __init__(
        self, num_hidden: int, activation: Any, prefix: str, params: RNNParams | None, i2h_bias: dict[str, Any] | None = None
    ) -> None:
        super().__init__(prefix=prefix, params=params)
        self._num_hidden = num_hidden
        self._activation = activation
        self._iW = self.params.get("i2h_weight")
        self._iB = self.params.get("i2h_bias", **(i2h_bias or {}))
        self._hW = self.params.get("h2h_weight")
        self._hB = self.params.get("h2h_bias")

    @property
    def state_info(self) -> list[dict[str, Any]]:
        return [{"shape": (0, self._num_hidden), "__layout__": "NC"}]

    def _connected(self, inputs: Symbol, state: Symbol, name: str) -> tuple[Any, Any]:
        size = self._num_hidden * self._num_gates
        i2h = symbol.FullyConnected(data=inputs, weight=self._iW, bias=self._iB, num_hidden=size, name=f"{name}i2h")
        h2h = symbol.FullyConnected(data=state, weight=self._hW, bias=self._hB, num_hidden=size, name=f"{name}h2h")
        return i2h, h2h


class RNNCell(_Dense, _Simple):
    """The simplest cell: an activation of input and previous output.

    Parameters
    ----------
    num_hidden : int
        Size of the output.
    activation : str or callable
        A name that :func:`mx.sym.Activation` knows, or a function of symbols.
    prefix : str
        Beginning of the names of its parameters and layers.
    params : RNNParams, optional
        Shares the parameters of other cells.

    Examples
    --------
    >>> import weft as mx
    >>> outputs, states = mx.rnn.RNNCell(4).unroll(2, mx.sym.Variable("x"))
    >>> [output.name for output in outputs]
    ['rnn_t0_out', 'rnn_t1_out']
    """

    def __init__(self, num_hidden: int, activation: Any = "tanh", prefix: str = "rnn_", params: RNNParams | None = None) -> None:
        super().__init__(num_hidden, activation, prefix, params)


class LSTMCell(_Dense, _LSTM):
    """Long short-term memory.

    Parameters
    ----------
    num_hidden : int
        Size of output and memory.
    prefix : str
        Beginning of the names of its parameters and layers.
    params : RNNParams, optional
        Shares the parameters of other cells.
    forget_bias : float
        What the bias of the forget gates is at first. Packed parameters only hold it if an initializer
        fills them: :func:`Module.init_params` does.

    Examples
    --------
    >>> import weft as mx
    >>> outputs, states = mx.rnn.LSTMCell(4).unroll(2, mx.sym.Variable("x"))
    >>> [state.name for state in states]
    ['lstm_t1_out', 'lstm_t1_state']
    """

    def __init__(self, num_hidden: int, prefix: str = "lstm_", params: RNNParams | None = None, forget_bias: float = 1.0) -> None:
        super().__init__(num_hidden, "tanh", prefix, params, {"init": init.LSTMBias(forget_bias=forget_bias)})

    @property
    def state_info(self) -> list[dict[str, Any]]:
        return super().state_info * 2


class GRUCell(_Dense, _GRU):
    """Gated recurrent unit, with the reset gate behind the product (as cuDNN has it).

    Parameters
    ----------
    num_hidden : int
        Size of the output.
    prefix : str
        Beginning of the names of its parameters and layers.
    params : RNNParams, optional
        Shares the parameters of other cells.

    Examples
    --------
    >>> import weft as mx
    >>> outputs, states = mx.rnn.GRUCell(4).unroll(2, mx.sym.Variable("x"), merge_outputs=True, layout="TNC")
    >>> outputs.infer_shape(x=(2, 3, 5))[1]
    [(2, 3, 4)]
    """

    def __init__(self, num_hidden: int, prefix: str = "gru_", params: RNNParams | None = None) -> None:
        super().__init__(num_hidden, "tanh", prefix, params)

    def _connection_name(self, name: str) -> str:
        return f"{name}_"  # MXNet's names, which saved graphs have


#: The activation of convolutional cells where none is given.
_LEAKY: Callable[..., Symbol] = functools.partial(symbol.LeakyReLU, act_type="leaky", slope=0.2)
_Pair = tuple[int, int]


class BaseConvRNNCell(_Recurrence):
    """Connections are convolutions; states have the shape of images.

    Parameters
    ----------
    input_shape : tuple of int
        Shape of the input of one step.
    num_hidden : int
        Channels of the output.
    h2h_kernel, h2h_dilate : tuple of int
        Of the connection from the previous state, which keeps the size: kernels are odd.
    i2h_kernel, i2h_stride, i2h_pad, i2h_dilate : tuple of int
        Of the connection from the input.
    i2h_weight_initializer, h2h_weight_initializer, i2h_bias_initializer, h2h_bias_initializer : Initializer or str or None
        Of each parameter.
    activation : str or callable
        A name that :func:`mx.sym.Activation` knows, or a function of symbols; a leaky ReLU of slope 0.2 in the subclasses.
    prefix : str
        Beginning of the names of its parameters and layers.
    params : RNNParams, optional
        Shares the parameters of other cells.
    conv_layout : str
        Layout of images.
    """

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_hidden: int,
        h2h_kernel: _Pair,
        h2h_dilate: _Pair,
        i2h_kernel: _Pair,
        i2h_stride: _Pair,
        i2h_pad: _Pair,
        i2h_dilate: _Pair,
        i2h_weight_initializer: Any,
        h2h_weight_initializer: Any,
        i2h_bias_initializer: Any,
        h2h_bias_initializer: Any,
        activation: Any,
        prefix: str = "",
        params: RNNParams | None = None,
        conv_layout: str = "NCHW",
    ) -> None:
        if any(size % 2 == 0 for size in h2h_kernel):
            raise ValueError(f"h2h_kernel must be odd, so that states keep their size, got {h2h_kernel}")
        super().__init__(prefix=prefix, params=params)
        self._num_hidden = num_hidden
        self._input_shape = input_shape
        self._conv_layout = conv_layout
        self._activation = activation
        self._gates_axis = {"axis": conv_layout.find("C")}
        self._i2h = {"kernel": i2h_kernel, "stride": i2h_stride, "pad": i2h_pad, "dilate": i2h_dilate}
        pad = tuple(far * (size - 1) // 2 for far, size in zip(h2h_dilate, h2h_kernel))
        self._h2h = {"kernel": h2h_kernel, "stride": (1,) * len(h2h_kernel), "pad": pad, "dilate": h2h_dilate}
        one = symbol.Convolution(data=symbol.Variable("data"), num_filter=num_hidden, layout=conv_layout, **self._i2h)
        self._state_shape = (0, *one.infer_shape(data=input_shape)[1][0][1:])
        self._iW = self.params.get("i2h_weight", init=i2h_weight_initializer)
        self._hW = self.params.get("h2h_weight", init=h2h_weight_initializer)
        self._iB = self.params.get("i2h_bias", init=i2h_bias_initializer)
        self._hB = self.params.get("h2h_bias", init=h2h_bias_initializer)

    @property
    def state_info(self) -> list[dict[str, Any]]:
        return [{"shape": self._state_shape, "__layout__": self._conv_layout}]

    def _connected(self, inputs: Symbol, state: Symbol, name: str) -> tuple[Any, Any]:
        shared = {"num_filter": self._num_hidden * self._num_gates, "layout": self._conv_layout}
        i2h = symbol.Convolution(data=inputs, weight=self._iW, bias=self._iB, name=f"{name}i2h", **shared, **self._i2h)
        h2h = symbol.Convolution(data=state, weight=self._hW, bias=self._hB, name=f"{name}h2h", **shared, **self._h2h)
        return i2h, h2h


class _Conv3x3(BaseConvRNNCell):
    """The defaults of all convolutional cells."""

    _default_prefix: str

    def __init__(
        self,
        input_shape: tuple[int, ...],
        num_hidden: int,
        h2h_kernel: _Pair = (3, 3),
        h2h_dilate: _Pair = (1, 1),
        i2h_kernel: _Pair = (3, 3),
        i2h_stride: _Pair = (1, 1),
        i2h_pad: _Pair = (1, 1),
        i2h_dilate: _Pair = (1, 1),
        i2h_weight_initializer: Any = None,
        h2h_weight_initializer: Any = None,
        i2h_bias_initializer: Any = "zeros",
        h2h_bias_initializer: Any = "zeros",
        activation: Any = _LEAKY,
        prefix: str | None = None,
        params: RNNParams | None = None,
        conv_layout: str = "NCHW",
    ) -> None:
        super().__init__(
            input_shape,
            num_hidden,
            h2h_kernel,
            h2h_dilate,
            i2h_kernel,
            i2h_stride,
            i2h_pad,
            i2h_dilate,
            i2h_weight_initializer,
            h2h_weight_initializer,
            i2h_bias_initializer,
            h2h_bias_initializer,
            activation,
            self._default_prefix if prefix is None else prefix,
            params,
            conv_layout,
        )


class ConvRNNCell(_Conv3x3, _Simple):
    """:class:`RNNCell` of images; parameters as of :class:`BaseConvRNNCell`.

    Examples
    --------
    >>> import weft as mx
    >>> mx.rnn.ConvRNNCell((1, 3, 8, 8), 4).state_shape
    [(0, 4, 8, 8)]
    """

    _default_prefix = "ConvRNN_"


class ConvLSTMCell(_Conv3x3, _LSTM):
    """:class:`LSTMCell` of images; parameters as of :class:`BaseConvRNNCell`.

    Examples
    --------
    >>> import weft as mx
    >>> outputs, _ = mx.rnn.ConvLSTMCell((1, 3, 8, 8), 4).unroll(2, [mx.sym.Variable("x"), mx.sym.Variable("y")])
    >>> outputs[1].infer_shape(x=(2, 3, 8, 8), y=(2, 3, 8, 8))[1]
    [(2, 4, 8, 8)]
    """

    _default_prefix = "ConvLSTM_"

    @property
    def state_info(self) -> list[dict[str, Any]]:
        return super().state_info * 2


class ConvGRUCell(_Conv3x3, _GRU):
    """:class:`GRUCell` of images; parameters as of :class:`BaseConvRNNCell`.

    Examples
    --------
    >>> import weft as mx
    >>> mx.rnn.ConvGRUCell((1, 3, 8, 8), 4, i2h_stride=(2, 2)).state_shape
    [(0, 4, 4, 4)]
    """

    _default_prefix = "ConvGRU_"
