"""Attributes of nodes, as text: parameters as they were given, and what users add.

MXNet stores a few keys between double underscores and lets people ask for them with and without.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ops.errors import MXNetError
from ...ops.params import plain_text
from ...ops.registry import Operator
from ..graph.ir import Node

__all__ = ["HIDDEN", "as_text", "hidden_key", "parse_attributes", "public_attributes", "split_attributes"]

HIDDEN = ("ctx_group", "lr_mult", "wd_mult", "force_mirroring", "mirror_stage")


def hidden_key(key: str) -> str:
    """Return how a key is stored.

    >>> hidden_key("lr_mult"), hidden_key("mood")
    ('__lr_mult__', 'mood')
    """
    return f"__{key}__" if key in HIDDEN else key


def refuse_deprecated(key: str, value: Any) -> None:
    """Refuse ``weight_lr_mult=2`` on an operator, as MXNet does: the attribute belongs to the variable."""
    for hidden in HIDDEN:
        if key.endswith("_" + hidden) and not key.startswith("__"):
            argument = key[: -len(hidden) - 1]
            raise MXNetError(
                f"setting variable attributes with {key} is deprecated; instead use w = Variable('w', {hidden}={value}) "
                f"and pass {argument}=w"
            )


def public_attributes(node: Node) -> dict[str, str]:
    """Return a node's attributes, hidden ones under both their keys."""
    found = dict(node.annotations) if node.annotations else {}
    for key in HIDDEN:
        value = found.get(f"__{key}__")
        if value is not None:
            found[key] = value
    return found


def is_user_key(op: Operator, key: str) -> bool:
    """Whether an operator takes an attribute that is not one of its parameters."""
    return (key.startswith("__") and key.endswith("__")) or not op.params


def split_attributes(op: Operator, attributes: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Split a node's attributes into the operator's parameters and the rest; refuse what it does not know."""
    params, others = {}, {}
    for key, value in attributes.items():
        if key in op.param_by_name:
            params[key] = value
        elif is_user_key(op, key):
            others[key] = value
        else:
            raise op._unknown(key)
    return params, others


def parse_attributes(op: Operator, attributes: dict[str, str], n_inputs: int | None = None) -> Any:
    """Return the parameters that a node's attributes hold."""
    if "description" in op.param_by_name:
        from .custom import describe

        return op.attrs({**describe(attributes), op.count_param: n_inputs})
    params, _ = split_attributes(op, attributes)
    if op.variadic and n_inputs is not None:
        params.setdefault(op.count_param, str(n_inputs))
    return op.attrs(params)


def _plain(value: Any) -> bool:
    if value is None or type(value) in (bool, int, float, str):
        return True
    return type(value) in (tuple, list) and all(map(_plain, value))


def as_text(op: Operator, name: str, value: Any) -> str:
    """Return a parameter as MXNet writes it: what Python prints, dtypes by their names.

    >>> from weft.ops import registry
    >>> as_text(registry.get("sum"), "axis", (0, 1)), as_text(registry.get("Cast"), "dtype", np.float16)
    ('(0, 1)', 'float16')
    """
    if name == "dtype" and value is not None:
        return np.dtype(value).name
    if _plain(value) or isinstance(value, (np.number, np.bool_)):
        return str(value)
    param = op.param_by_name.get(name)
    return plain_text(value) if param is None else param.format(op._parse(param, value))
