"""Cells that are made of other cells: stacks, both directions, and cells that change what another one does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .. import symbol
from ..ndarray import NDArray
from ..symbol import Symbol
from .base import BaseRNNCell, RNNParams, sequence
from .fused import FusedRNNCell

__all__ = ["BidirectionalCell", "DropoutCell", "ModifierCell", "ResidualCell", "SequentialRNNCell", "ZoneoutCell"]

Inputs = Symbol | Sequence[Symbol]


class _Cells(BaseRNNCell):
    """Several cells; parameters and states are those of all of them."""

    def __init__(self, params: RNNParams | None) -> None:
        super().__init__(prefix="", params=params)
        self._cells: list[BaseRNNCell] = []
        self._override_cell_params = params is not None

    def _include(self, cell: BaseRNNCell) -> None:
        if self._override_cell_params:
            if not cell._own_params:
                raise ValueError(f"params are given for {type(self).__name__} and for {type(cell).__name__} {cell._prefix!r}: either, not both")
            cell.params._params.update(self.params._params)
        self.params._params.update(cell.params._params)
        self._cells.append(cell)

    @property
    def state_info(self) -> list[dict[str, Any]]:
        return [info for cell in self._cells for info in cell.state_info]

    def begin_state(self, *args: Any, **kwargs: Any) -> list[Symbol]:
        """Return the states of all cells; parameters as of :meth:`BaseRNNCell.begin_state`."""
        self._refuse_modified()
        return [state for cell in self._cells for state in cell.begin_state(*args, **kwargs)]

    def _states_of(self, states: Sequence[Symbol]) -> list[list[Symbol]]:
        """Return the part of `states` that belongs to each cell."""
        counts = [len(cell.state_info) for cell in self._cells]
        if len(states) != sum(counts):
            raise ValueError(f"{type(self).__name__} has {sum(counts)} states, got {len(states)}")
        return [list(states[sum(counts[:i]) : sum(counts[: i + 1])]) for i in range(len(counts))]

    def unpack_weights(self, args: Mapping[str, NDArray]) -> dict[str, NDArray]:
        args = dict(args)
        for cell in self._cells:
            args = cell.unpack_weights(args)
        return args

    def pack_weights(self, args: Mapping[str, NDArray]) -> dict[str, NDArray]:
        args = dict(args)
        for cell in self._cells:
            args = cell.pack_weights(args)
        return args


class SequentialRNNCell(_Cells):
    """Cells in a row: each takes the output of the one before.

    Parameters
    ----------
    params : RNNParams, optional
        Parameters for all cells; by default each has its own.

    Examples
    --------
    >>> import weft as mx
    >>> stack = mx.rnn.SequentialRNNCell()
    >>> stack.add(mx.rnn.LSTMCell(4, prefix="a_"))
    >>> stack.add(mx.rnn.GRUCell(2, prefix="b_"))
    >>> outputs, states = stack.unroll(2, mx.sym.Variable("x"), merge_outputs=True)
    >>> outputs.infer_shape(x=(5, 2, 3))[1], len(states)
    ([(5, 2, 2)], 3)
    """

    def __init__(self, params: RNNParams | None = None) -> None:
        super().__init__(params)

    def add(self, cell: BaseRNNCell) -> None:
        """Append a cell."""
        self._include(cell)

    def __call__(self, inputs: Symbol, states: list[Symbol]) -> tuple[Symbol, list[Symbol]]:
        self._counter += 1
        after: list[Symbol] = []
        for cell, own in zip(self._cells, self._states_of(states)):
            inputs, own = cell(inputs, own)
            after += own
        return inputs, after

    def unroll(
        self,
        length: int,
        inputs: Inputs,
        begin_state: list[Symbol] | None = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
    ) -> tuple[Any, list[Any]]:
        self.reset()
        states = self._states_of(self.begin_state() if begin_state is None else begin_state)
        after: list[Any] = []
        for place, (cell, own) in enumerate(zip(self._cells, states)):
            merge = merge_outputs if place == len(self._cells) - 1 else None
            inputs, own = cell.unroll(length, inputs, begin_state=own, layout=layout, merge_outputs=merge)
            after += own
        return inputs, after


class BidirectionalCell(_Cells):
    """Two cells: one runs forwards in time, one backwards; outputs are put together. It can only be unrolled.

    Parameters
    ----------
    l_cell, r_cell : BaseRNNCell
        The one that runs forwards, and the one that runs backwards.
    params : RNNParams, optional
        Parameters for both; by default each has its own.
    output_prefix : str
        Beginning of the outputs' names.

    Examples
    --------
    >>> import weft as mx
    >>> both = mx.rnn.BidirectionalCell(mx.rnn.GRUCell(4, prefix="l_"), mx.rnn.GRUCell(2, prefix="r_"))
    >>> outputs, states = both.unroll(3, mx.sym.Variable("x"), merge_outputs=True)
    >>> outputs.infer_shape(x=(5, 3, 1))[1], [len(each) for each in states]
    ([(5, 3, 6)], [1, 1])
    """

    def __init__(self, l_cell: BaseRNNCell, r_cell: BaseRNNCell, params: RNNParams | None = None, output_prefix: str = "bi_") -> None:
        super().__init__(params)
        self._output_prefix = output_prefix
        self._include(l_cell)
        self._include(r_cell)

    def __call__(self, inputs: Symbol, states: list[Symbol]) -> tuple[Symbol, list[Symbol]]:
        raise NotImplementedError("BidirectionalCell has no single step: one of its cells starts at the end; call unroll")

    def unroll(
        self,
        length: int,
        inputs: Inputs,
        begin_state: list[Symbol] | None = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
    ) -> tuple[Any, list[Any]]:
        self.reset()
        steps, axis = sequence(length, inputs, layout, False)
        states = self._states_of(self.begin_state() if begin_state is None else begin_state)
        forwards, backwards = self._cells
        left, left_states = forwards.unroll(length, steps, begin_state=states[0], layout=layout, merge_outputs=merge_outputs)
        right, right_states = backwards.unroll(
            length, list(reversed(steps)), begin_state=states[1], layout=layout, merge_outputs=merge_outputs
        )
        if merge_outputs is None:
            merge_outputs = isinstance(left, Symbol) and isinstance(right, Symbol)
        left, _ = sequence(length, left, layout, merge_outputs, "outputs")
        right, _ = sequence(length, right, layout, merge_outputs, "outputs")
        after = [left_states, right_states]
        if merge_outputs:
            turned = symbol.reverse(right, axis=axis)
            return symbol.Concat(left, turned, dim=2, name=f"{self._output_prefix}out"), after
        pairs = enumerate(zip(left, reversed(right)))
        return [symbol.Concat(*pair, dim=1, name=f"{self._output_prefix}t{step}") for step, pair in pairs], after


class DropoutCell(BaseRNNCell):
    """Drops some of its input; it has no states.

    Parameters
    ----------
    dropout : float
        Share that becomes 0; 0 passes the input on.
    prefix : str
        Beginning of the names of its layers.
    params : RNNParams, optional
        It has none of its own.

    Examples
    --------
    >>> import weft as mx
    >>> mx.rnn.DropoutCell(0.5).unroll(3, mx.sym.Variable("x"))[0].list_arguments()
    ['x']
    """

    def __init__(self, dropout: float, prefix: str = "dropout_", params: RNNParams | None = None) -> None:
        super().__init__(prefix, params)
        if isinstance(dropout, bool) or not isinstance(dropout, (int, float)):
            raise TypeError(f"dropout must be a number, got {dropout!r}")
        self.dropout = dropout

    @property
    def state_info(self) -> list[dict[str, Any]]:
        return []

    def __call__(self, inputs: Symbol, states: list[Symbol]) -> tuple[Symbol, list[Symbol]]:
        return symbol.Dropout(data=inputs, p=self.dropout) if self.dropout > 0 else inputs, states

    def unroll(
        self,
        length: int,
        inputs: Inputs,
        begin_state: list[Symbol] | None = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
    ) -> tuple[Any, list[Any]]:
        self.reset()
        inputs, _ = sequence(length, inputs, layout, merge_outputs)
        if isinstance(inputs, Symbol):
            return self(inputs, [])
        return super().unroll(length, inputs, begin_state=begin_state, layout=layout, merge_outputs=merge_outputs)


class ModifierCell(BaseRNNCell):
    """Changes what another cell does; that cell is not to be called any more.

    Parameters
    ----------
    base_cell : BaseRNNCell
        Its parameters and states are used.
    """

    def __init__(self, base_cell: BaseRNNCell) -> None:
        super().__init__()
        base_cell._modified = True
        self.base_cell = base_cell

    @property
    def params(self) -> RNNParams:
        self._own_params = False
        return self.base_cell.params

    @property
    def state_info(self) -> list[dict[str, Any]]:
        return self.base_cell.state_info

    def reset(self) -> None:
        super().reset()
        if hasattr(self, "base_cell"):  # not yet where the constructor resets
            self.base_cell.reset()

    def _with_base(self, use: Callable[[BaseRNNCell], Any]) -> Any:
        """Use the modified cell, which refuses to be used by others."""
        self.base_cell._modified = False
        try:
            return use(self.base_cell)
        finally:
            self.base_cell._modified = True

    def begin_state(  # type: ignore[override]
        self, init_sym: Callable[..., Symbol] = symbol.zeros, **kwargs: Any
    ) -> list[Symbol]:
        """Return the states of the modified cell before the first step; `func` is another name of `init_sym`."""
        self._refuse_modified()
        make = kwargs.pop("func", init_sym)
        return self._with_base(lambda cell: cell.begin_state(func=make, **kwargs))

    def unpack_weights(self, args: Mapping[str, NDArray]) -> dict[str, NDArray]:
        return self.base_cell.unpack_weights(args)

    def pack_weights(self, args: Mapping[str, NDArray]) -> dict[str, NDArray]:
        return self.base_cell.pack_weights(args)


class ZoneoutCell(ModifierCell):
    """Keeps some of the previous outputs and states, chosen at random in each step.

    Parameters
    ----------
    base_cell : BaseRNNCell
        A cell that can be stepped.
    zoneout_outputs, zoneout_states : float
        Shares that are kept.

    Examples
    --------
    >>> import weft as mx
    >>> cell = mx.rnn.ZoneoutCell(mx.rnn.LSTMCell(4), zoneout_states=0.2)
    >>> outputs, states = cell.unroll(2, mx.sym.Variable("x"), merge_outputs=True)
    >>> outputs.infer_shape(x=(5, 2, 3))[1]
    [(5, 2, 4)]
    """

    def __init__(self, base_cell: BaseRNNCell, zoneout_outputs: float = 0.0, zoneout_states: float = 0.0) -> None:
        if isinstance(base_cell, FusedRNNCell):
            raise ValueError("FusedRNNCell has no steps that could zone out: call unfuse() first")
        if _has_both_directions(base_cell):
            raise ValueError("BidirectionalCell has no steps that could zone out: put ZoneoutCell around the cells in it")
        super().__init__(base_cell)
        self.zoneout_outputs = zoneout_outputs
        self.zoneout_states = zoneout_states

    def reset(self) -> None:
        super().reset()
        self.prev_output: Symbol | None = None

    def __call__(self, inputs: Symbol, states: list[Symbol]) -> tuple[Symbol, list[Symbol]]:
        output, after = self.base_cell(inputs, states)
        # The previous output of the first step takes its shape from the condition.
        before = symbol.zeros((0, 0)) if self.prev_output is None else self.prev_output
        if self.zoneout_outputs:
            output = _keep_some(self.zoneout_outputs, output, before)
        if self.zoneout_states:
            after = [_keep_some(self.zoneout_states, new, old) for new, old in zip(after, states)]
        self.prev_output = output
        return output, after


def _keep_some(share: float, new: Symbol, old: Symbol) -> Symbol:
    # Dropout of ones gives 0 where the old value stays, and takes all new ones when predicting.
    return symbol.where(symbol.Dropout(symbol.ones_like(new), p=share), new, old)


def _has_both_directions(cell: BaseRNNCell) -> bool:
    return isinstance(cell, BidirectionalCell) or any(_has_both_directions(each) for each in getattr(cell, "_cells", ()))


class ResidualCell(ModifierCell):
    """Adds the input to the output.

    Parameters
    ----------
    base_cell : BaseRNNCell
        Its output is as large as its input.

    Examples
    --------
    >>> import weft as mx
    >>> outputs, _ = mx.rnn.ResidualCell(mx.rnn.GRUCell(4)).unroll(2, mx.sym.Variable("x"))
    >>> [output.name for output in outputs]
    ['gru_t0_out_plus_residual', 'gru_t1_out_plus_residual']
    """

    def __init__(self, base_cell: BaseRNNCell) -> None:
        super().__init__(base_cell)

    def __call__(self, inputs: Symbol, states: list[Symbol]) -> tuple[Symbol, list[Symbol]]:
        output, states = self.base_cell(inputs, states)
        return _plus(output, inputs), states

    def unroll(
        self,
        length: int,
        inputs: Inputs,
        begin_state: list[Symbol] | None = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
    ) -> tuple[Any, list[Any]]:
        self.reset()
        outputs, states = self._with_base(
            lambda cell: cell.unroll(length, inputs, begin_state=begin_state, layout=layout, merge_outputs=merge_outputs)
        )
        inputs, _ = sequence(length, inputs, layout, isinstance(outputs, Symbol))
        if isinstance(outputs, Symbol):
            return _plus(outputs, inputs), states
        return [_plus(output, step) for output, step in zip(outputs, inputs)], states


def _plus(output: Symbol, inputs: Any) -> Symbol:
    return symbol.elemwise_add(output, inputs, name=f"{output.name}_plus_residual")
