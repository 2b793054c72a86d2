"""F: the namespace through which gradients and operators call operators, on arrays now and on symbols alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["F"]


class _Functions:
    """Looks an operator up at the first use of its name and keeps the function."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        from . import dispatch, registry

        op = registry.find(name)
        if op is None:
            raise AttributeError(f"no operator named {name!r}")

        def call(*args: Any, out: Any = None, **kwargs: Any) -> Any:
            return dispatch.invoke(op, args, kwargs, out)

        call.__name__ = name
        setattr(self, name, call)
        return call


F = _Functions()
