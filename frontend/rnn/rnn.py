"""Checkpoints of networks of recurrent cells: files hold the weights of each gate, whatever cells made them."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .. import symbol as sym
from ..model import load_checkpoint as load_checkpoint
from ..model import save_checkpoint as save_checkpoint
from ..ndarray import NDArray
from ..symbol import Symbol
from .base import BaseRNNCell

__all__ = ["do_rnn_checkpoint", "load_rnn_checkpoint", "rnn_unroll", "save_rnn_checkpoint"]

Cells = BaseRNNCell | Sequence[BaseRNNCell]


def _each(cells: Cells) -> Sequence[BaseRNNCell]:
    return [cells] if isinstance(cells, BaseRNNCell) else cells


def rnn_unroll(
    cell: BaseRNNCell,
    length: int,
    inputs: Any = None,
    begin_state: list[Symbol] | None = None,
    input_prefix: str = "",
    layout: str = "NTC",
) -> tuple[Any, list[Any]]:
    """Unroll a cell, with a variable ``<input_prefix>t<step>_data`` for each step where `inputs` is None. Outdated: call `cell.unroll`.

    Examples
    --------
    >>> import warnings, weft as mx
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     outputs, _ = mx.rnn.rnn_unroll(mx.rnn.RNNCell(4), 2, input_prefix="in_")
    >>> outputs[0].list_arguments()[0]
    'in_t0_data'
    """
    warnings.warn("rnn_unroll is outdated: call cell.unroll", DeprecationWarning, stacklevel=2)
    if inputs is None:
        inputs = [sym.Variable(f"{input_prefix}t{step}_data") for step in range(length)]
    return cell.unroll(length, inputs, begin_state=begin_state, layout=layout)


def save_rnn_checkpoint(
    cells: Cells, prefix: str, epoch: int, symbol: Symbol, arg_params: Mapping[str, NDArray], aux_params: Mapping[str, NDArray]
) -> None:
    """Save a network as :func:`mx.model.save_checkpoint` does, with its cells' weights unpacked.

    Parameters
    ----------
    cells : BaseRNNCell or list of BaseRNNCell
        The cells in `symbol`.
    prefix : str
        Beginning of the files' names.
    epoch : int
        Number in the name of the parameters' file.
    symbol : Symbol
    arg_params, aux_params : dict of str to NDArray

    Examples
    --------
    >>> import os, tempfile, weft as mx
    >>> cell, prefix = mx.rnn.FusedRNNCell(2, mode="rnn_tanh"), os.path.join(tempfile.mkdtemp(), "net")
    >>> outputs, _ = cell.unroll(3, mx.sym.Variable("x"), layout="TNC")
    >>> save_rnn_checkpoint(cell, prefix, 1, outputs, {"rnn_tanh_parameters": mx.nd.zeros((14,))}, {})
    >>> sorted(mx.nd.load(prefix + "-0001.params"))[0]
    'arg:rnn_tanh_l0_h2h_bias'
    """
    for cell in _each(cells):
        arg_params = cell.unpack_weights(arg_params)
    save_checkpoint(prefix, epoch, symbol, arg_params, aux_params)


def load_rnn_checkpoint(cells: Cells, prefix: str, epoch: int) -> tuple[Symbol, dict[str, NDArray], dict[str, NDArray]]:
    """Load what :func:`save_rnn_checkpoint` saved, with the weights packed as `cells` need them.

    Parameters
    ----------
    cells : BaseRNNCell or list of BaseRNNCell
        They may be others than those that were saved: a stack from `unfuse()` reads what a fused cell wrote.
    prefix : str
        Beginning of the files' names.
    epoch : int
        Number in the name of the parameters' file.

    Returns
    -------
    symbol : Symbol
    arg_params, aux_params : dict of str to NDArray
    """
    symbol, arg_params, aux_params = load_checkpoint(prefix, epoch)
    for cell in _each(cells):
        arg_params = cell.pack_weights(arg_params)
    return symbol, arg_params, aux_params


def do_rnn_checkpoint(cells: Cells, prefix: str, period: int = 1) -> Callable[..., None]:
    """Return a callback at the end of epochs that calls :func:`save_rnn_checkpoint`.

    Parameters
    ----------
    cells : BaseRNNCell or list of BaseRNNCell
    prefix : str
        Beginning of the files' names.
    period : int
        Save once in so many epochs.
    """
    period = max(1, int(period))

    def save(iter_no: int, sym: Any = None, arg: Any = None, aux: Any = None) -> None:
        if (iter_no + 1) % period == 0:
            save_rnn_checkpoint(cells, prefix, iter_no + 1, sym, arg, aux)

    return save
