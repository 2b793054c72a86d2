"""The names of :mod:`weft.kvstore` where MXNet defines them, for ``from mxnet.kvstore.kvstore import ...``."""

from .base import KVStoreBase as KVStoreBase
from .local import KVStore as KVStore

__all__ = ["KVStore"]
