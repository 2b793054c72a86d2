"""F: the namespace through which gradients and operators call operators, on arrays now and on symbols alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["F"]


class _Functions:
    """Looks an operator up at the first use of its name and keeps the function."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        from . import dispatch, registry

        if registry.find(name) is None:
            raise AttributeError(f"no operator named {name!r}")
        function = dispatch.function(name)
        setattr(self, name, function)
        return function


F = _Functions()
