"""The updater: an optimizer with the states of all parameters."""

from __future__ import annotations

from typing import Any

from ..ndarray import NDArray
from .base import Index, Optimizer, State
from .states import dump_states, load_states

__all__ = ["Updater", "get_updater"]


class Updater:
    """Updates parameters by their index, and keeps their states.

    Parameters
    ----------
    optimizer : Optimizer

    Examples
    --------
    >>> import weft as mx
    >>> updater = mx.optimizer.Updater(mx.optimizer.SGD(learning_rate=0.5))
    >>> weight = mx.nd.ones((2,))
    >>> updater(0, mx.nd.ones((2,)), weight)
    >>> weight.asnumpy()
    array([0.5, 0.5], dtype=float32)
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.states: dict[Any, State] = {}
        # Whether each state is on the device of its weight; those that were read from a file may not be.
        self.states_synced: dict[Any, bool] = {}
        self.aggregate_updates = optimizer.aggregate_num > 0

    def __call__(self, index: Index, grad: Any, weight: Any) -> None:
        """Update one parameter, or several given as sequences."""
        if isinstance(index, (list, tuple)):
            indices, grads, weights = list(index), list(grad), list(weight)
        else:
            indices, grads, weights = [index], [grad], [weight]
        indices = [name.decode("utf-8") if isinstance(name, bytes) else name for name in indices]
        if weights:
            self.optimizer._set_current_context(weights[0].context.device_id)
        for place, array in zip(indices, weights):
            self._prepare(place, array)
        if self.aggregate_updates:
            self._update_together(indices, grads, weights)
        else:
            for place, slope, array in zip(indices, grads, weights):
                self.optimizer.update_multi_precision(place, array, slope, self.states[place])

    def _prepare(self, index: Index, weight: NDArray) -> None:
        """Have the state of a parameter, on the device of its weight."""
        if index not in self.states:
            self.states[index] = self.optimizer.create_state_multi_precision(index, weight)
        elif not self.states_synced[index]:
            self.states[index] = self.sync_state_context(self.states[index], weight.context)
        self.states_synced[index] = True

    def _update_together(self, indices: list[Any], grads: list[Any], weights: list[Any]) -> None:
        """Hand the optimizer parameters of one dtype in groups as large as it takes them."""
        by_dtype: dict[Any, list[int]] = {}
        for place, weight in enumerate(weights):
            by_dtype.setdefault(weight.dtype, []).append(place)
        size = self.optimizer.aggregate_num
        for places in by_dtype.values():
            for start in range(0, len(places), size):
                group = places[start : start + size]
                self.optimizer.update_multi_precision(
                    tuple(indices[i] for i in group),
                    tuple(weights[i] for i in group),
                    tuple(grads[i] for i in group),
                    [self.states[indices[i]] for i in group],
                )

    def sync_state_context(self, state: State, context: Any) -> State:
        """Return the state with its arrays on a device."""
        if isinstance(state, NDArray):
            return state.as_in_context(context)
        if isinstance(state, (tuple, list)):
            return type(state)(self.sync_state_context(one, context) for one in state)
        return state

    def get_states(self, dump_optimizer: bool = False) -> bytes:
        """Return the states, and the optimizer if asked for, in the format of MXNet's ``.states`` files.

        Examples
        --------
        >>> import weft as mx
        >>> updater = mx.optimizer.get_updater(mx.optimizer.SGD(momentum=0.9))
        >>> updater(0, mx.nd.ones((2,)), mx.nd.ones((2,)))
        >>> other = mx.optimizer.get_updater(mx.optimizer.SGD(momentum=0.9))
        >>> other.set_states(updater.get_states())
        >>> other.states[0].asnumpy()
        array([-0.01, -0.01], dtype=float32)
        """
        return dump_states((self.states, self.optimizer) if dump_optimizer else self.states)

    def set_states(self, states: bytes) -> None:
        """Take over states, and the optimizer if it is there, that weft or MXNet wrote.

        Such data may come from anywhere: only arrays, numbers and optimizers are read from it, and nothing is executed.
        """
        self.states, optimizer = load_states(states)
        if optimizer is not None:
            self.optimizer = optimizer
            self.aggregate_updates = optimizer.aggregate_num > 0
        self.states_synced = dict.fromkeys(self.states, False)


def get_updater(optimizer: Optimizer) -> Updater:
    """Return the updater of an optimizer.

    Examples
    --------
    >>> import weft as mx
    >>> type(mx.optimizer.get_updater(mx.optimizer.SGD())).__name__
    'Updater'
    """
    return Updater(optimizer)
