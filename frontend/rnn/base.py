"""What all recurrent cells share: parameters by name, states, packing of weights, unrolling over time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .. import ndarray as nd
from .. import symbol
from ..ndarray import NDArray
from ..symbol import Symbol

__all__ = ["BaseRNNCell", "RNNParams", "sequence"]

#: Connections of a cell: from its input, and from its previous state.
CONNECTIONS = ("i2h", "h2h")


def sequence(
    length: int | None, inputs: Symbol | Sequence[Symbol], layout: str, merge: bool | None, name: str = "inputs"
) -> tuple[Any, int]:
    """Return a sequence as one symbol or as a list with one symbol a step, and the place of the time axis.

    Parameters
    ----------
    length : int or None
        Number of steps; None where `inputs` is a list that tells.
    inputs : Symbol or list of Symbol
    layout : str
        Meaning of the axes, with T for time.
    merge : bool or None
        One symbol, a list of them, or what comes in.
    name : str
        What it is called in messages.

    Examples
    --------
    >>> import weft as mx
    >>> steps, axis = sequence(2, mx.sym.Variable("x"), "NTC", False)
    >>> len(steps), axis
    (2, 1)
    """
    axis = layout.find("T")
    if axis < 0:
        raise ValueError(f"layout must name the time axis T, got {layout!r}")
    if inputs is None:
        raise ValueError(f"{name} is None: give a symbol of the whole sequence, or a list with a symbol for each step")
    if isinstance(inputs, Symbol):
        if merge is not False:
            return inputs, axis
        if len(inputs.list_outputs()) != 1:
            raise ValueError(f"{name} is a symbol of {len(inputs.list_outputs())} outputs; give list({name}), or one output to be split")
        if length is None:
            raise ValueError(f"length is needed to split {name} into steps")
        return list(symbol.split(inputs, axis=axis, num_outputs=length, squeeze_axis=1)), axis
    if length is not None and len(inputs) != length:
        raise ValueError(f"{name} has {len(inputs)} steps, length={length} expected")
    if not merge:
        return inputs, axis
    steps = [symbol.expand_dims(step, axis=axis) for step in inputs]
    return symbol.Concat(*steps, dim=axis), axis


class RNNParams:
    """Variables of cells by name; cells that have the same container share weights.

    Parameters
    ----------
    prefix : str
        Beginning of all names.

    Examples
    --------
    >>> params = RNNParams("lstm_")
    >>> params.get("i2h_weight").name, params.get("i2h_weight") is params.get("i2h_weight")
    ('lstm_i2h_weight', True)
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._params: dict[str, Symbol] = {}

    def get(self, name: str, **kwargs: Any) -> Symbol:
        """Return the variable of that name, made on its first use with `kwargs` as :func:`mx.sym.Variable` takes them."""
        name = self._prefix + name
        if name not in self._params:
            self._params[name] = symbol.Variable(name, **kwargs)
        return self._params[name]


class BaseRNNCell:
    """A step of a recurrent network, to be applied to one input after another.

    A subclass has :attr:`state_info` and ``__call__``, and `_gate_names` if its weights are those of several gates in one.

    Parameters
    ----------
    prefix : str
        Beginning of the names of its parameters and layers.
    params : RNNParams, optional
        Where its parameters are; by default a container of its own.
    """

    _num_hidden: int

    def __init__(self, prefix: str = "", params: RNNParams | None = None) -> None:
        self._own_params = params is None
        self._prefix = prefix
        self._params = RNNParams(prefix) if params is None else params
        self._modified = False
        self.reset()

    def reset(self) -> None:
        """Number steps and states from 0 again, to build another graph."""
        self._init_counter = -1
        self._counter = -1
        for cell in getattr(self, "_cells", ()):
            cell.reset()

    def __call__(self, inputs: Symbol, states: list[Symbol]) -> tuple[Symbol, list[Symbol]]:
        """Do one step.

        Parameters
        ----------
        inputs : Symbol
            Input of this step, of shape (batch, features).
        states : list of Symbol
            What the previous step returned, or :meth:`begin_state`.

        Returns
        -------
        output : Symbol
        states : list of Symbol
        """
        raise NotImplementedError(f"{type(self).__name__} has no single step")

    def _step_name(self) -> str:
        """Count a step; return the beginning of its layers' names."""
        self._counter += 1
        return f"{self._prefix}t{self._counter}_"

    @property
    def params(self) -> RNNParams:
        """Parameters of this cell."""
        self._own_params = False
        return self._params

    @property
    def state_info(self) -> list[dict[str, Any]]:
        """Shape (0: the batch size) and layout of each state."""
        raise NotImplementedError(f"{type(self).__name__} does not declare its states")

    @property
    def state_shape(self) -> list[tuple[int, ...]]:
        """Shape of each state; 0 stands for the batch size."""
        return [info["shape"] for info in self.state_info]

    @property
    def _gate_names(self) -> tuple[str, ...]:
        return ()

    @property
    def _num_gates(self) -> int:
        return len(self._gate_names)

    def begin_state(self, func: Callable[..., Symbol] = symbol.zeros, **kwargs: Any) -> list[Symbol]:
        """Return states before the first step.

        Parameters
        ----------
        func : callable
            Makes a state: :func:`mx.sym.zeros`, :func:`mx.sym.uniform`, :func:`mx.sym.Variable` ...
        **kwargs
            Passed on to it.

        Examples
        --------
        >>> import weft as mx
        >>> [state.name for state in mx.rnn.LSTMCell(2).begin_state()]
        ['lstm_begin_state_0', 'lstm_begin_state_1']
        """
        self._refuse_modified()
        states = []
        for info in self.state_info:
            self._init_counter += 1
            states.append(func(name=f"{self._prefix}begin_state_{self._init_counter}", **{**kwargs, **(info or {})}))
        return states

    def _refuse_modified(self) -> None:
        if self._modified:
            raise ValueError(
                f"{type(self).__name__} {self._prefix!r} has been wrapped by a modifier (as ZoneoutCell): call the modifier, not the cell"
            )

    def unpack_weights(self, args: Mapping[str, NDArray]) -> dict[str, NDArray]:
        """Return `args` with the weights of each gate as arrays of their own.

        Examples
        --------
        >>> import weft as mx
        >>> cell = mx.rnn.GRUCell(2, prefix="g_")
        >>> args = {f"g_{way}_{kind}": mx.nd.ones((6, 3) if kind == "weight" else (6,)) for way in ("i2h", "h2h") for kind in ("weight", "bias")}
        >>> sorted(name for name in cell.unpack_weights(args) if "i2h" in name)
        ['g_i2h_o_bias', 'g_i2h_o_weight', 'g_i2h_r_bias', 'g_i2h_r_weight', 'g_i2h_z_bias', 'g_i2h_z_weight']
        """
        args = dict(args)
        size = self._num_hidden if self._gate_names else 0
        for way in CONNECTIONS if self._gate_names else ():
            packed = {kind: args.pop(f"{self._prefix}{way}_{kind}") for kind in ("weight", "bias")}
            for place, gate in enumerate(self._gate_names):
                for kind, array in packed.items():
                    args[f"{self._prefix}{way}{gate}_{kind}"] = array[place * size : (place + 1) * size].copy()
        return args

    def pack_weights(self, args: Mapping[str, NDArray]) -> dict[str, NDArray]:
        """Undo :meth:`unpack_weights`."""
        args = dict(args)
        for way in CONNECTIONS if self._gate_names else ():
            for kind in ("weight", "bias"):
                gates = [args.pop(f"{self._prefix}{way}{gate}_{kind}") for gate in self._gate_names]
                args[f"{self._prefix}{way}_{kind}"] = nd.concatenate(gates)
        return args

    def unroll(
        self,
        length: int,
        inputs: Symbol | Sequence[Symbol],
        begin_state: list[Symbol] | None = None,
        layout: str = "NTC",
        merge_outputs: bool | None = None,
    ) -> tuple[Any, list[Any]]:
        """Apply the cell to a sequence.

        Parameters
        ----------
        length : int
            Number of steps.
        inputs : Symbol or list of Symbol
            The whole sequence in `layout`, or an input of shape (batch, features) for each step.
        begin_state : list of Symbol, optional
            :meth:`begin_state` by default.
        layout : {'NTC', 'TNC'}
            Axes of whole sequences.
        merge_outputs : bool, optional
            Whether the outputs are one symbol in `layout`, or a list with one for each step; None: what is cheapest.

        Returns
        -------
        outputs : Symbol or list of Symbol
        states : list of Symbol
            After the last step.

        Examples
        --------
        >>> import weft as mx
        >>> outputs, states = mx.rnn.LSTMCell(4).unroll(3, mx.sym.Variable("x"), merge_outputs=True)
        >>> outputs.infer_shape(x=(2, 3, 5))[1], len(states)
        ([(2, 3, 4)], 2)
        """
        self.reset()
        steps, _ = sequence(length, inputs, layout, False)
        states = self.begin_state() if begin_state is None else begin_state
        outputs = []
        for step in steps:
            output, states = self(step, states)
            outputs.append(output)
        return sequence(length, outputs, layout, merge_outputs, "outputs")[0], states

    @staticmethod
    def _get_activation(inputs: Symbol, activation: Any, **kwargs: Any) -> Symbol:
        """Apply an activation that is given by name, or as a function of symbols."""
        if isinstance(activation, str):
            return symbol.Activation(inputs, act_type=activation, **kwargs)
        return activation(inputs, **kwargs)
