"""Environment variables that declared graphs read, in the form of the engine's table."""

from __future__ import annotations

from typing import Any

from ...engine import environment
from ...engine.environment import Variable

__all__ = ["VARIABLES", "read"]


def _switched_off(text: str) -> frozenset[str]:
    names = [part.strip() for part in text.split(",") if part.strip()]
    if any(name != "none" and not name.startswith("-") for name in names):
        raise ValueError("expected names with a minus, such as -fusion, or none")
    return frozenset(name.removeprefix("-") for name in names)


def _recompute(text: str) -> str:
    modes = {"": "", "0": "", "1": "mirror", "mirror": "mirror", "sublinear": "sublinear"}
    mode = modes.get(text.strip().lower())
    if mode is None:
        raise ValueError("expected 'mirror' (or 1), 'sublinear', or 0")
    return mode


VARIABLES = (
    Variable(
        "passes",
        ("WEFT_GRAPH_PASSES",),
        _switched_off,
        "all",
        "Passes to leave out: names with a minus (`-fusion,-layout`), or `none` for no passes at all.",
    ),
    Variable(
        "recompute",
        ("WEFT_RECOMPUTE", "MXNET_BACKWARD_DO_MIRROR"),
        _recompute,
        "0",
        "Compute forward results again in backward instead of keeping them: `mirror` or 1 for what is cheap to repeat, "
        "`sublinear` for the least memory at up to 30 % more time.",
    ),
)


def read() -> dict[str, Any]:
    """Return the settings that the environment gives; ValueError names a variable that cannot be read.

    >>> read()
    {}
    """
    return environment.read(variables=VARIABLES)
