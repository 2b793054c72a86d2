"""Write ``frontend/ndarray/_operators.pyi``: what editors and type checkers know of the operators of ``mx.nd``.

At run time those functions are made from the declarations when they are first used. After a change of a declaration::

    python tools/operator_stubs.py
"""

import inspect
import keyword
import pathlib

TARGET = pathlib.Path(__file__).resolve().parent.parent / "frontend" / "ndarray" / "_operators.pyi"
HEAD = '''"""Operators of ``mx.nd``; written by tools/operator_stubs.py from their declarations."""

from typing import Any

'''


def default_of(parameter):
    """What stands for a parameter's default: itself where it is a plain value."""
    plain = (bool, int, float, str, tuple, type(None))
    return repr(parameter.default) if isinstance(parameter.default, plain) else "..."


def signature(operator):
    """The arguments of an operator. Inputs may be given by name, so that none is demanded."""
    parts = []
    for name, parameter in operator.signature().parameters.items():
        if keyword.iskeyword(name):
            continue
        if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
            parts.append(f"*{name}: Any")
        elif parameter.kind is inspect.Parameter.VAR_KEYWORD:
            parts.append(f"**{name}: Any")
        else:
            parts.append(f"{name}: Any = {default_of(parameter)}")
    return ", ".join(parts)


def first_line(text):
    """The first sentence or line of a description."""
    line = " ".join(text.split()).replace("\\", "\\\\").replace('"""', "'''")
    return line.partition(". ")[0].rstrip(".") + "."


def text():
    """The content of the file."""
    from weft.ops import registry

    by_hand = names_by_hand()
    lines = []
    for name, operator in sorted(registry.all_names().items()):
        if name.startswith("_") or not name.isidentifier() or name in by_hand:
            continue
        lines.append(f"def {name}({signature(operator)}) -> Any:\n    \"\"\"{first_line(operator.doc)}\"\"\"\n")
    return HEAD + "".join(lines)


def names_by_hand():
    """Names of ``mx.nd`` that are written in Python, and are no operators as they stand."""
    from weft.frontend import operator
    from weft.frontend.ndarray import arithmetic, creation, index_keys, methods, serialization

    return {name for module in (arithmetic, creation, index_keys, methods, serialization, operator) for name in module.__all__}


if __name__ == "__main__":
    TARGET.write_text(text(), encoding="utf-8")
