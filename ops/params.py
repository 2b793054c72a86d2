"""Parameter types of operator declarations and the immutable attribute records built from them.

A parameter knows how to turn what a caller writes (``(2, 2)``, ``"(2, 2)"``, ``[2, 2]``) into one canonical, hashable
Python value, and how to write that value the way MXNet stores it in ``-symbol.json`` files.
"""

from __future__ import annotations

import ast
import functools
import operator as _operator
from typing import Any, ClassVar

import numpy as np

__all__ = [
    "REQUIRED",
    "Attrs",
    "Axis",
    "Bool",
    "Dtype",
    "Enum",
    "Float",
    "Floats",
    "Int",
    "Param",
    "Shape",
    "Shapes",
    "Str",
    "attrs_class",
    "plain_text",
]


MOST_INTERNED = 4096  #: Attribute records kept for each list of parameters, so that equal ones are one.


def plain_text(value: Any) -> str:
    """Return what ``str`` gives, with the NumPy numbers that a container holds written as plain ones.

    NumPy 2 prints them as ``np.int64(1)`` there, which no reader of attributes understands.

    Examples
    --------
    >>> plain_text((np.int64(2), [np.float32(0.1), True])), plain_text(np.float32(0.1))
    ('(2, [0.1, True])', '0.1')
    """
    return str(_printable(value))


class _Printed:
    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def _printable(value: Any) -> Any:
    if isinstance(value, (np.number, np.bool_)):
        return _Printed(str(value))
    if type(value) in (tuple, list):
        return type(value)(map(_printable, value))
    if type(value) is dict:
        return {_printable(key): _printable(each) for key, each in value.items()}
    return value


class _Required:
    """Marks a parameter without a default."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "REQUIRED"

    def __reduce__(self) -> str:
        return "REQUIRED"


REQUIRED = _Required()


class Param:
    """One operator parameter: name, default, documentation, and conversion between callers, Python and JSON.

    Parameters
    ----------
    name : str
        Name as MXNet spells it.
    default : object
        Default value; ``REQUIRED`` when there is none.
    doc : str
        One line for the generated docstring.
    none : bool
        Whether ``None`` is a value of its own. Also true when the default is ``None``.
    dynamic : bool
        The value changes from call to call (a learning rate): it is handed to the kernel with every run and does not
        take part in the kernel cache key. Only numbers and tuples of numbers can be dynamic.
    """

    kind = "value"
    #: Whether callers do not give it themselves; it is not part of signatures.
    hidden = False

    def __init__(
        self, name: str, default: Any = REQUIRED, *, doc: str = "", none: bool = False, dynamic: bool = False
    ) -> None:
        self.name = name
        self.doc = doc
        self.none = none or default is None
        self.dynamic = dynamic
        self.required = default is REQUIRED
        self.default = REQUIRED if default is REQUIRED else self.parse(default)

    def parse(self, value: Any) -> Any:
        """Return the canonical value, or raise TypeError or ValueError naming parameter, value and expectation."""
        if value is None or (isinstance(value, str) and value == "None"):
            if self.none:
                return None
            raise TypeError(f"{self.name}=None: expected {self.expects()}")
        return self._parse(value)

    def format(self, value: Any) -> str:
        """Return the text MXNet writes into JSON for a canonical value."""
        return "None" if value is None else self._format(value)

    def expects(self) -> str:
        """Describe acceptable values, for error messages and docstrings."""
        return self.kind + (" or None" if self.none else "")

    def describe(self) -> str:
        """Return kind and default in the form of MXNet's documentation, which programs read too."""
        kind = self.mxnet_kind() + (" or None" if self.none else "")
        if self.required:
            return f"{kind}, required"
        return f"{kind}, optional, default={self.mxnet_none if self.default is None else self.mxnet_default()}"

    #: How MXNet writes the default None.
    mxnet_none = "None"

    def mxnet_kind(self) -> str:
        """Return what MXNet calls such values."""
        return self.kind

    def mxnet_default(self) -> str:
        """Return the text of a default that is not None."""
        return self.format(self.default)

    def _parse(self, value: Any) -> Any:
        return value

    def _format(self, value: Any) -> str:
        return str(value)

    def _wrong(self, value: Any, error: type[Exception] = TypeError) -> Exception:
        return error(f"{self.name}={value!r:.200}: expected {self.expects()}")

    def __eq__(self, other: object) -> bool:
        return self is other or (type(self) is type(other) and self.__dict__ == other.__dict__)

    def __hash__(self) -> int:
        return hash((type(self), self.name))

    def __repr__(self) -> str:
        default = "" if self.required else f", {self.default!r}"
        return f"{type(self).__name__}({self.name!r}{default})"


class _Number(Param):
    """Common part of Int and Float: an optional closed range."""

    def __init__(self, name: str, default: Any = REQUIRED, *, low: Any = None, high: Any = None, **options: Any) -> None:
        self.low = low
        self.high = high
        super().__init__(name, default, **options)

    def expects(self) -> str:
        text = super().expects()
        if self.low is not None and self.high is not None:
            return f"{text} in [{self.low}, {self.high}]"
        if self.low is not None:
            return f"{text} >= {self.low}"
        if self.high is not None:
            return f"{text} <= {self.high}"
        return text

    def _in_range(self, value: Any) -> Any:
        if (self.low is not None and value < self.low) or (self.high is not None and value > self.high):
            raise self._wrong(value, ValueError)
        return value


class Int(_Number):
    """An integer; integral floats and strings of them are taken too, as MXNet's text interface did."""

    kind = "int"

    mxnet_none = "'None'"

    def mxnet_default(self) -> str:
        return repr(str(self.default))

    def _parse(self, value: Any) -> int:
        try:
            if isinstance(value, str):
                text = value.strip()
                number = int(text) if text not in ("True", "False") else int(text == "True")
            elif isinstance(value, (float, np.floating)):
                if not float(value).is_integer():
                    raise self._wrong(value)
                number = int(value)
            else:
                number = _operator.index(value)
        except (TypeError, ValueError):
            raise self._wrong(value) from None
        return self._in_range(number)


class Float(_Number):
    """A real number, kept as a Python float."""

    kind = "float"

    def mxnet_default(self) -> str:
        return f"{np.float32(self.default):.9g}"  # MXNet keeps most of them in single precision

    def _parse(self, value: Any) -> float:
        try:
            number = float(value) if not isinstance(value, (bytes, bytearray)) else None
        except (TypeError, ValueError):
            if value in ("True", "False"):
                number = float(value == "True")
            else:
                raise self._wrong(value) from None
        if number is None:
            raise self._wrong(value)
        return self._in_range(number)


class Bool(Param):
    """A truth value: True, False, 0, 1, or the words for them."""

    kind = "bool"

    def mxnet_kind(self) -> str:
        return "boolean"

    def mxnet_default(self) -> str:
        return str(int(self.default))

    _words = {"true": True, "1": True, "false": False, "0": False}

    def _parse(self, value: Any) -> bool:
        if isinstance(value, (bool, np.bool_)):
            return bool(value)
        if isinstance(value, str):
            if value.strip().lower() in self._words:
                return self._words[value.strip().lower()]
        elif isinstance(value, (int, float, np.number)) and value in (0, 1):
            return bool(value)
        raise self._wrong(value)


class Str(Param):
    """Any text."""

    kind = "str"

    def mxnet_kind(self) -> str:
        return "string"

    def mxnet_default(self) -> str:
        return repr(self.default)

    def _parse(self, value: Any) -> str:
        return str(value)


class Enum(Param):
    """One of a fixed list of words."""

    def __init__(self, name: str, choices: tuple[str, ...], default: Any = REQUIRED, **options: Any) -> None:
        self.choices = tuple(choices)
        super().__init__(name, default, **options)

    def expects(self) -> str:
        words = ", ".join(repr(choice) for choice in self.choices)
        return f"one of {words}" + (" or None" if self.none else "")

    def describe(self) -> str:
        words = [*(["None"] if self.none else []), *(repr(choice) for choice in sorted(self.choices))]
        return "{" + ", ".join(words) + "}," + (" required" if self.required else f"optional, default={self.format(self.default)!r}")

    def _parse(self, value: Any) -> str:
        if isinstance(value, str) and value in self.choices:
            return value
        raise self._wrong(value, ValueError)


class Dtype(Param):
    """A number type, kept as ``numpy.dtype``; takes names, NumPy scalar classes and dtypes."""

    kind = "dtype"
    ALL = ("float16", "float32", "float64", "uint8", "int8", "int32", "int64", "bool")

    def __init__(self, name: str, default: Any = REQUIRED, *, choices: tuple[str, ...] = ALL, **options: Any) -> None:
        self.choices = tuple(choices)
        super().__init__(name, default, **options)

    def describe(self) -> str:
        words = [*(["None"] if self.none else []), *(repr(choice) for choice in sorted(self.choices))]
        default = "required" if self.required else f"optional, default={self.format(self.default)!r}"
        return "{" + ", ".join(words) + "}," + (" " if self.required else "") + default

    def expects(self) -> str:
        return "dtype, one of " + ", ".join(self.choices) + (" or None" if self.none else "")

    def _parse(self, value: Any) -> np.dtype:
        try:
            dtype = np.dtype(value)
        except TypeError:
            raise self._wrong(value) from None
        if dtype.name not in self.choices:
            raise self._wrong(value)
        return dtype

    def _format(self, value: np.dtype) -> str:
        return value.name


def _literal(text: str) -> Any:
    """Read ``(1, 2)``, ``[1,2]``, ``1L`` and the like, as they occur in MXNet files."""
    return ast.literal_eval(text.replace("L", "").strip())


class _Sequence(Param):
    """A tuple of items; a single item stands for a tuple of one."""

    def _item(self, value: Any) -> Any:
        raise NotImplementedError

    def _parse(self, value: Any) -> tuple:
        original = value
        try:
            if isinstance(value, str):
                value = _literal(value)
            if isinstance(value, (str, bytes, dict)):
                raise self._wrong(original)
            if not isinstance(value, (tuple, list)):
                value = value.tolist() if isinstance(value, np.ndarray) else value
                value = tuple(value) if hasattr(value, "__iter__") else (value,)
            return tuple(self._item(item) for item in value)
        except (TypeError, ValueError, SyntaxError):
            raise self._wrong(original) from None

    def _format(self, value: tuple) -> str:
        return str(value)


def _as_int(value: Any) -> int:
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return int(value)
    return _operator.index(value)


class Shape(_Sequence):
    """A tuple of integers: a shape, strides, window or list of axes.

    ``items_none=True`` lets single entries be None (``slice(begin=(None, 1))``). ``length`` fixes the number of entries.
    """

    kind = "tuple of int"

    def __init__(
        self,
        name: str,
        default: Any = REQUIRED,
        *,
        length: int | None = None,
        items_none: bool = False,
        low: int | None = None,
        **options: Any,
    ) -> None:
        self.length = length
        self.items_none = items_none
        self.low = low
        super().__init__(name, default, **options)

    def expects(self) -> str:
        text = "tuple of int" + (" or None" if self.items_none else "")
        if self.length is not None:
            text += f" of length {self.length}"
        if self.low is not None:
            text += f", entries >= {self.low}"
        return text + (", or None" if self.none else "")

    def mxnet_kind(self) -> str:
        return "Shape" if self.none else "Shape(tuple)"

    def mxnet_default(self) -> str:
        return "[" + ",".join(map(str, self.default)) + "]"

    def parse(self, value: Any) -> Any:
        """Return the canonical value; where None is no value of its own it stands for the default, if there is one."""
        if (value is None or value == "None") and not self.none and not self.required and hasattr(self, "default"):
            return self.default
        return super().parse(value)

    def _item(self, value: Any) -> int | None:
        if value is None and self.items_none:
            return None
        return _as_int(value)

    def _parse(self, value: Any) -> tuple:
        result = super()._parse(value)
        if self.length is not None and len(result) != self.length:
            raise self._wrong(value, ValueError)
        if self.low is not None and any(item is not None and item < self.low for item in result):
            raise self._wrong(value, ValueError)
        return result


class Axis(_Sequence):
    """Axes of a reduction: None, one integer or several; canonical value is None or a tuple of integers."""

    kind = "int, tuple of int"

    def mxnet_kind(self) -> str:
        return "Shape"

    def __init__(self, name: str = "axis", default: Any = None, **options: Any) -> None:
        options.setdefault("none", True)
        super().__init__(name, default, **options)

    def _item(self, value: Any) -> int:
        return _as_int(value)


class Floats(_Sequence):
    """A tuple of real numbers."""

    kind = "tuple of float"

    def mxnet_kind(self) -> str:
        return "tuple of <float>"

    def mxnet_default(self) -> str:
        return "[" + ",".join(f"{item:.9g}" for item in self.default) + "]"

    def _item(self, value: Any) -> float:
        return float(value)


class Shapes(_Sequence):
    """A tuple of tuples of integers."""

    kind = "tuple of tuples of int"

    def _item(self, value: Any) -> tuple:
        return tuple(_as_int(item) for item in value)


class Attrs:
    """Parameter values of one operator call: immutable, hashable, plain attribute access.

    Besides the declared parameters there are ``train`` (the autograd mode, part of the key for operators that use it)
    and ``rng`` (a ``numpy.random.Generator`` for NumPy kernels of random operators, never part of the key).
    """

    __slots__ = ("_hash", "_key", "rng", "train")
    _params: tuple[Param, ...] = ()
    _names: tuple[str, ...] = ()
    _static: tuple[str, ...] = ()
    _dynamic: tuple[str, ...] = ()
    _interned: ClassVar[dict[Attrs, Attrs]] = {}  # each class has its own

    def __init__(self, values: dict[str, Any], train: bool = False, rng: Any = None) -> None:
        put = object.__setattr__
        for name in self._names:
            put(self, name, values[name])
        put(self, "train", train)
        put(self, "rng", rng)
        put(self, "_hash", None)
        put(self, "_key", None)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"attributes are immutable; use with_({name}=...) to get a changed copy")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("attributes are immutable")

    def interned(self) -> Attrs:
        """Return the one record that stands for all equal ones.

        Large graphs repeat a few calls many times; with one record each, comparing and hashing them is done once.
        """
        kept = self._interned
        found = kept.setdefault(self, self)
        if len(kept) > MOST_INTERNED:
            kept.clear()
        return found

    def with_(self, **changes: Any) -> Attrs:
        """Return a copy with some values replaced; values must be canonical already.

        >>> from weft.ops.params import Int, attrs_class
        >>> attrs = attrs_class((Int("axis", 1),))({"axis": 1})
        >>> attrs.with_(axis=2).axis, attrs.axis
        (2, 1)
        """
        train = changes.pop("train", self.train)
        rng = changes.pop("rng", self.rng)
        values = self.to_dict()
        for name in changes:
            if name not in values:
                raise AttributeError(f"no parameter {name!r}; there are {', '.join(self._names) or 'none'}")
        values.update(changes)
        return type(self)(values, train, rng)

    def to_dict(self) -> dict[str, Any]:
        """Return the canonical parameter values by name."""
        return {name: getattr(self, name) for name in self._names}

    @property
    def cache_key(self) -> tuple:
        """Everything a kernel may be specialised on: static parameters and the train flag."""
        return self._values()[0]

    @property
    def scalars(self) -> tuple[float, ...]:
        """Values of the dynamic parameters in declaration order, tuples of numbers one after the other."""
        return self._values()[1]

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Attrs) or type(self) is not type(other):
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        if self._hash is None:
            object.__setattr__(self, "_hash", hash(self._values()))
        return self._hash

    def _values(self) -> tuple:
        # Kept, because graphs of many nodes are full of equal records that are compared again and again.
        if self._key is None:
            static = (*[getattr(self, name) for name in self._static], self.train)
            scalars: list[float] = []
            for name in self._dynamic:
                value = getattr(self, name)
                if isinstance(value, tuple):
                    scalars.extend(value)
                else:
                    scalars.append(value)
            # Zeros of both signs are equal as numbers, but not what is computed with them.
            signs = str(scalars) if 0.0 in scalars else None
            object.__setattr__(self, "_key", (static, tuple(scalars), signs))
        return self._key

    def __repr__(self) -> str:
        return "Attrs(" + ", ".join(f"{name}={getattr(self, name)!r}" for name in self._names) + ")"

    def __reduce__(self) -> tuple:
        return (_restore_attrs, (self._params, self.to_dict(), self.train))


def _restore_attrs(params: tuple[Param, ...], values: dict[str, Any], train: bool) -> Attrs:
    return attrs_class(params)(values, train)


@functools.cache
def attrs_class(params: tuple[Param, ...]) -> type[Attrs]:
    """Return the attribute record class for a parameter list; operators with the same list share one class."""
    names = tuple(param.name for param in params)
    for name in names:
        if hasattr(Attrs, name):
            raise ValueError(f"a parameter cannot be called {name!r}: attribute records have a member of that name")
    namespace: dict[str, Any] = {
        "__slots__": names,
        "__doc__": Attrs.__doc__,
        "_params": params,
        "_interned": {},
        "_names": names,
        "_static": tuple(param.name for param in params if not param.dynamic),
        "_dynamic": tuple(param.name for param in params if param.dynamic),
    }
    return type("Attrs", (Attrs,), namespace)
