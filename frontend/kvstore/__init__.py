"""``mx.kv``: stores that add up what several devices push, and give the sum, or what an optimizer makes of it, back.

:func:`create` makes one by its type: ``"local"`` and ``"device"`` keep values within this process; classes registered with
:meth:`KVStoreBase.register` are made by their names.
"""

from __future__ import annotations

from .base import KVStoreBase as KVStoreBase
from .kvstore_server import KVStoreServer as KVStoreServer
from .local import KVStore as KVStore
from .local import create as create

__all__ = ["KVStore", "KVStoreBase", "KVStoreServer", "create"]
