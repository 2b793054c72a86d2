"""Surroundings of a test: device, environment variables, retries."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ...ops.context import parse_context
from ..context import Context, current_context, num_gpus

__all__ = [
    "default_context",
    "discard_stderr",
    "environment",
    "getenv",
    "has_tvm_ops",
    "is_aarch64_run",
    "is_cd_run",
    "is_op_runnable",
    "list_gpus",
    "retry",
    "set_default_context",
    "setenv",
]

class _Choice(threading.local):
    """Whether this thread has chosen its device."""

    made = False


_choice = _Choice()


def default_context() -> Context:
    """Return the device of tests: the one set last, else MXNET_TEST_DEFAULT_CTX (as "gpu(0)"), else the current context.

    >>> str(default_context())
    'cpu(0)'
    """
    named = None if _choice.made else os.environ.get("MXNET_TEST_DEFAULT_CTX")
    return parse_context(named) if named else current_context()


def set_default_context(ctx: Context) -> None:
    """Make `ctx` the device of tests, and the current context of this thread.

    >>> set_default_context(default_context())
    """
    Context._default_ctx.value = ctx
    _choice.made = True


def list_gpus() -> range:
    """Return the numbers of the GPUs of this machine.

    >>> len(list_gpus()) == num_gpus()
    True
    """
    return range(num_gpus())


def retry(n: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return a decorator that runs a stochastic test up to `n` times; only the last AssertionError counts.

    >>> tries = []
    >>> @retry(3)
    ... def sometimes():
    ...     tries.append(1)
    ...     assert len(tries) == 2
    >>> sometimes()
    >>> len(tries)
    2
    """
    if n <= 0:
        raise AssertionError(f"n={n}: expected at least 1")

    def decorate(f: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(f)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            for left in range(n - 1, -1, -1):
                try:
                    return f(*args, **kwargs)
                except AssertionError:
                    if not left:
                        raise
            return None

        return wrapper

    return decorate


def getenv(name: str) -> str | None:
    """Return an environment variable, or None.

    >>> getenv("NO_SUCH_VARIABLE") is None
    True
    """
    return os.environ.get(name)


def setenv(name: str, value: str | None) -> None:
    """Set an environment variable; None removes it.

    >>> setenv("WEFT_DOCTEST", "1"); getenv("WEFT_DOCTEST")
    '1'
    >>> setenv("WEFT_DOCTEST", None); getenv("WEFT_DOCTEST")
    """
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


@contextlib.contextmanager
def environment(*args: Any) -> Iterator[None]:
    """Set environment variables for a ``with`` block: ``environment(name, value)`` or ``environment({name: value, ...})``.

    A value of None removes the variable. The state from before comes back afterwards, also after an exception.

    >>> with environment("WEFT_DOCTEST", "on"):
    ...     getenv("WEFT_DOCTEST")
    'on'
    >>> getenv("WEFT_DOCTEST") is None
    True
    """
    if len(args) == 1 and isinstance(args[0], Mapping):
        wanted = dict(args[0])
    elif len(args) == 2:
        wanted = {args[0]: args[1]}
    else:
        raise TypeError("environment: expected (name, value) or one dictionary")
    before = {name: os.environ.get(name) for name in wanted}
    try:
        for name, value in wanted.items():
            setenv(name, None if value is None else str(value))
        yield
    finally:
        for name, value in before.items():
            setenv(name, value)


@contextlib.contextmanager
def discard_stderr() -> Iterator[None]:
    """Throw away what is written to standard error, native code included.

    >>> with discard_stderr():
    ...     _ = os.write(2, b"gone")
    """
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with open(os.devnull, "w") as nothing:
            os.dup2(nothing.fileno(), 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)


def is_cd_run() -> bool:
    """Tell whether a delivery pipeline runs the tests (the variable CD_JOB is 1).

    >>> is_cd_run()
    False
    """
    return os.environ.get("CD_JOB", "0") == "1"


def is_aarch64_run() -> bool:
    """Tell whether this is a 64-bit ARM machine.

    >>> isinstance(is_aarch64_run(), bool)
    True
    """
    return platform.machine() == "aarch64"


def has_tvm_ops() -> bool:
    """Tell whether there are operators made by TVM: never.

    >>> has_tvm_ops()
    False
    """
    return False


def is_op_runnable() -> bool:
    """Tell whether operators made by TVM would hinder a test: they never do.

    >>> is_op_runnable()
    True
    """
    return True
