"""Layers of recurrent cells as one operator."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import initializer as init
from .. import ndarray as nd
from .. import symbol
from ..ndarray import NDArray
from ..symbol import Symbol
from .base import BaseRNNCell, RNNParams, sequence

if TYPE_CHECKING:
    from .compound import SequentialRNNCell

__all__ = ["FusedRNNCell"]


class FusedRNNCell(BaseRNNCell):
    """All layers and steps as one operator ``RNN``: much faster than single cells. It can only be unrolled.

    Parameters
    ----------
    num_hidden : int
        Size of the output of each direction of each layer.
    num_layers : int
    mode : {'rnn_relu', 'rnn_tanh', 'lstm', 'gru'}
    bidirectional : bool
        Run forwards and backwards in time.
    dropout : float
        Share of what goes from layer to layer that becomes 0.
    get_next_state : bool
        Whether :meth:`unroll` returns the states after the last step.
    forget_bias : float
        What the bias of an LSTM's forget gates is at first.
    prefix : str, optional
        Beginning of the names of its parameters and layers; the mode by default.
    params : RNNParams, optional
        Shares the parameters of other cells.

    Examples
    --------
    >>> import weft as mx
    >>> cell = mx.rnn.FusedRNNCell(4, num_layers=2, bidirectional=True)
    >>> outputs, states = cell.unroll(3, mx.sym.Variable("x"), layout="TNC")
    >>> outputs.infer_shape(x=(3, 5, 2))[1], outputs.list_arguments(), states
    ([(3, 5, 8)], ['x', 'lstm_parameters'], [])
    """

    def __init__(
        self,
        num_hidden: int,
        num_layers: int = 1,
        mode: str = "lstm",
        bidirectional: bool = False,
        dropout: float = 0.0,
        get_next_state: bool = False,
        forget_bias: float = 1.0,
        prefix: str | None = None,
        params: RNNParams | None = None,
    ) -> None:
        super().__init__(prefix=f"{mode}_" if prefix is None else prefix, params=params)
        self._num_hidden = num_hidden
        self._num_layers = num_layers
        self._mode = mode
        self._bidirectional = bidirectional
        self._dropout = dropout
        self._get_next_state = get_next_state
        self._directions = ["l", "r"] if bidirectional else ["l"]
        self._forget_bias = forget_bias
        self._packing = init.FusedRNN(None, num_hidden, num_layers, mode, bidirectional, forget_bias)
        self._parameter: Any = self.params.get("parameters", init=self._packing)

    @property
    def state_info(self) -> list[dict[str, Any]]:
        shape = (len(self._directions) * self._num_layers, 0, self._num_hidden)
        return [{"shape": shape, "__layout__": "LNC"} for _ in range(2 if self._mode == "lstm" else 1)]

    @property
    def _gate_names(self) -> tuple[str, ...]:
        return init.GATE_NAMES[self._mode]

    def __call__(self, inputs: Symbol, states: list[Symbol]) -> tuple[Symbol, list[Symbol]]:
        raise NotImplementedError("FusedRNNCell has no single step: call unroll, or unfuse() it")

    def unpack_weights(self, args: Mapping[str, NDArray]) -> dict[str, NDArray]:
        """Return `args` with the weights of each layer, direction and gate as arrays of their own.

        Examples
        --------
        >>> import weft as mx
        >>> cell = mx.rnn.FusedRNNCell(2, mode="rnn_tanh")
        >>> args = cell.unpack_weights({"rnn_tanh_parameters": mx.nd.arange(2 * (3 + 2 + 2))})
        >>> {name: array.shape for name, array in args.items()}
        {'rnn_tanh_l0_i2h_weight': (2, 3), 'rnn_tanh_l0_h2h_weight': (2, 2), 'rnn_tanh_l0_i2h_bias': (2,), 'rnn_tanh_l0_h2h_bias': (2,)}
        """
        args = dict(args)
        packed = args.pop(self._parameter.name)
        place = 0
        for name, shape in self._packing.parts(packed.size):
            size = math.prod(shape)
            args[self._prefix + name] = packed[place : place + size].reshape(shape).copy()
            place += size
        return args

    def pack_weights(self, args: Mapping[str, NDArray]) -> dict[str, NDArray]:
        """Undo :meth:`unpack_weights`."""
        args = dict(args)
        first = args[f"{self._prefix}l0_i2h{self._gate_names[0]}_weight"]
        names = [self._prefix + name for name, _ in self._packing.parts(self._packing.size(first.shape[1]))]
        args[self._parameter.name] = nd.concatenate([args.pop(name).reshape((-1,)) for name in names])
        return args

    def unroll(
        self,
        length: int,
        inputs: Symbol | Sequence[Symbol],
        begin_state: list[Symbol] | None = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
    ) -> tuple[Any, list[Any]]:
        """Apply all layers to a sequence; parameters as of :meth:`BaseRNNCell.unroll`. 'TNC' is the operator's own layout."""
        self.reset()
        data, axis = sequence(length, inputs, layout, True)
        if axis == 1:
            warnings.warn("layout NTC costs two transpositions; FusedRNNCell runs in TNC", stacklevel=2)
            data = symbol.swapaxes(data, dim1=0, dim2=1)
        elif axis != 0:
            raise ValueError(f"layout must be 'NTC' or 'TNC', got {layout!r}")
        states = self.begin_state() if begin_state is None else begin_state
        rnn = symbol.RNN(
            data=data,
            parameters=self._parameter,
            state_size=self._num_hidden,
            num_layers=self._num_layers,
            bidirectional=self._bidirectional,
            p=self._dropout,
            state_outputs=self._get_next_state,
            mode=self._mode,
            name=f"{self._prefix}rnn",
            **dict(zip(("state", "state_cell"), states)),
        )
        after: list[Symbol] = []
        if self._get_next_state:
            rnn, *after = list(rnn)
            for state in after:
                state._set_attr(__layout__="LNC")
        outputs = symbol.swapaxes(rnn, dim1=0, dim2=1) if axis == 1 else rnn
        return sequence(length, outputs, layout, merge_outputs, "outputs")[0], after

    def unfuse(self) -> SequentialRNNCell:
        """Return single cells that compute the same, with the parameters that :meth:`unpack_weights` gives.

        Examples
        --------
        >>> import weft as mx
        >>> outputs, _ = mx.rnn.FusedRNNCell(4, bidirectional=True).unfuse().unroll(2, mx.sym.Variable("x"))
        >>> [output.name for output in outputs]
        ['lstm_bi_l0_t0', 'lstm_bi_l0_t1']
        """
        from .compound import BidirectionalCell, DropoutCell, SequentialRNNCell

        stack = SequentialRNNCell()
        for layer in range(self._num_layers):
            cells = [self._single(f"{self._prefix}{way}{layer}_") for way in self._directions]
            prefix = f"{self._prefix}bi_l{layer}_"
            stack.add(BidirectionalCell(cells[0], cells[1], output_prefix=prefix) if self._bidirectional else cells[0])
            if self._dropout > 0 and layer < self._num_layers - 1:
                stack.add(DropoutCell(self._dropout, prefix=f"{self._prefix}_dropout{layer}_"))
        return stack

    def _single(self, prefix: str) -> BaseRNNCell:
        from .gates import GRUCell, LSTMCell, RNNCell

        if self._mode == "lstm":
            return LSTMCell(self._num_hidden, prefix=prefix)
        if self._mode == "gru":
            return GRUCell(self._num_hidden, prefix=prefix)
        return RNNCell(self._num_hidden, activation=self._mode.removeprefix("rnn_"), prefix=prefix)
