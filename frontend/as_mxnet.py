"""Run a program that was written for MXNet: ``python -m weft.as_mxnet script.py [arguments]`` or ``... -m module``."""

from __future__ import annotations

import os
import runpy
import sys

from .aliases import install_as_mxnet

__all__ = ["main"]

USAGE = "usage: python -m weft.as_mxnet script.py [arguments ...]\n       python -m weft.as_mxnet -m module [arguments ...]"


def main(arguments: list[str]) -> int:
    """Run the program named by `arguments` as ``__main__``, with ``import mxnet`` giving weft.

    Examples
    --------
    >>> main([])  # doctest: +ELLIPSIS
    usage: python -m weft.as_mxnet script.py ...
    2
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE)
        return 0 if arguments else 2
    install_as_mxnet()
    if arguments[0] == "-m":
        if len(arguments) < 2:
            print(USAGE, file=sys.stderr)
            return 2
        sys.argv = arguments[1:]
        sys.path[0] = os.getcwd()
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        return 0
    script = arguments[0]
    if not os.path.exists(script):
        print(f"as_mxnet: no such file: {script!r}", file=sys.stderr)
        return 2
    sys.argv = list(arguments)
    if not os.path.isdir(script):
        sys.path[0] = os.path.dirname(os.path.abspath(script))
    runpy.run_path(script, run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
