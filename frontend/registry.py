"""Classes by name: what :mod:`weft.metric`, :mod:`weft.initializer` and programs of their own create from strings."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from typing import Any

__all__ = ["get_alias_func", "get_create_func", "get_register_func", "get_registry"]

_REGISTRY: dict[type, dict[str, type]] = {}


def get_registry(base_class: type) -> dict[str, type]:
    """Return a copy of the classes registered under `base_class`, by lower-case name.

    Examples
    --------
    >>> import weft as mx
    >>> sorted(mx.registry.get_registry(mx.init.Initializer))[:3]
    ['bilinear', 'constant', 'fusedrnn']
    """
    return dict(_REGISTRY.setdefault(base_class, {}))


def get_register_func(base_class: type, nickname: str) -> Callable[..., type]:
    """Return the function that registers subclasses of `base_class`.

    Parameters
    ----------
    base_class : type
    nickname : str
        What such an object is called in messages.

    Examples
    --------
    >>> class Shape: pass
    >>> register = get_register_func(Shape, "shape")
    >>> @register
    ... class Square(Shape): pass
    >>> get_registry(Shape)["square"] is Square
    True
    """
    registry = _REGISTRY.setdefault(base_class, {})

    def register(klass: type, name: str | None = None) -> type:
        if not (isinstance(klass, type) and issubclass(klass, base_class)):
            raise TypeError(f"{klass!r} cannot be registered as {nickname}: expected a subclass of {base_class.__name__}")
        key = (klass.__name__ if name is None else name).lower()
        if registry.get(key, klass) is not klass:
            old = registry[key]
            warnings.warn(
                f"{nickname} {key!r}: {klass.__module__}.{klass.__name__} takes the place of {old.__module__}.{old.__name__}",
                UserWarning,
                stacklevel=2,
            )
        registry[key] = klass
        return klass

    register.__doc__ = f"Register a class of {nickname} under its name, or under `name`."
    return register


def get_alias_func(base_class: type, nickname: str) -> Callable[..., Callable[[type], type]]:
    """Return the decorator maker that registers subclasses of `base_class` under further names.

    Examples
    --------
    >>> class Shape: pass
    >>> @get_alias_func(Shape, "shape")("quad", "box")
    ... class Square(Shape): pass
    >>> sorted(get_registry(Shape))
    ['box', 'quad']
    """
    register = get_register_func(base_class, nickname)

    def alias(*aliases: str) -> Callable[[type], type]:
        def decorate(klass: type) -> type:
            for name in aliases:
                register(klass, name)
            return klass

        return decorate

    return alias


def get_create_func(base_class: type, nickname: str) -> Callable[..., Any]:
    """Return the function that creates a registered class.

    It takes a name and arguments, an instance (which it returns), a dict of arguments, or such a call as JSON:
    ``'["name", {...}]'`` or ``'{"<nickname>": "name", ...}'``.

    Examples
    --------
    >>> class Shape:
    ...     def __init__(self, size=1): self.size = size
    >>> _ = get_register_func(Shape, "shape")(Shape)
    >>> create = get_create_func(Shape, "shape")
    >>> create("shape", size=2).size, create('["shape", {"size": 3}]').size, create({"shape": "shape", "size": 4}).size
    (2, 3, 4)
    """
    registry = _REGISTRY.setdefault(base_class, {})

    def create(*args: Any, **kwargs: Any) -> Any:
        if not args and nickname not in kwargs:
            raise TypeError(f"{nickname} is not given")
        name, args = (args[0], args[1:]) if args else (kwargs.pop(nickname), ())
        if isinstance(name, base_class):
            if args or kwargs:
                raise ValueError(f"{nickname} is an instance of {type(name).__name__}: it takes no further arguments")
            return name
        if isinstance(name, dict):
            return create(**name)
        if not isinstance(name, str):
            raise TypeError(f"{nickname} must be a string or an instance of {base_class.__name__}, got {name!r}")
        if name.startswith(("[", "{")):
            if args or kwargs:
                raise ValueError(f"{nickname} {name!r} holds its arguments: it takes no further ones")
            return _from_json(name)
        klass = registry.get(name.lower())
        if klass is None:
            raise ValueError(f"{nickname} {name!r} is not registered; there are {', '.join(sorted(registry))}")
        return klass(*args, **kwargs)

    def _from_json(text: str) -> Any:
        try:
            content = json.loads(text)
        except ValueError as error:
            raise ValueError(f"{nickname} is not a name and not JSON: {text!r} ({error})") from None
        if isinstance(content, dict):
            return create(**content)
        if len(content) != 2 or not isinstance(content[0], str) or not isinstance(content[1], dict):
            raise ValueError(f"{nickname} must be '[name, {{arguments}}]', got {text!r}")
        return create(content[0], **content[1])

    create.__doc__ = f"Create a {nickname} from a name, an instance, a dict or JSON."
    return create
