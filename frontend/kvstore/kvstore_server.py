"""The class of parameter servers, which weft's stores do without."""

from __future__ import annotations

from typing import Any

from ..base import MXNetError

__all__ = ["KVStoreServer"]


class KVStoreServer:
    """A process that serves a distributed store; stores on MPI and NCCL have none.

    Parameters
    ----------
    kvstore : KVStore
        The store to serve.
    """

    def __init__(self, kvstore: Any) -> None:
        raise MXNetError("KVStoreServer: weft has no parameter servers; start equal workers, for example with mpirun")

    def run(self) -> None:
        """Serve until the workers are done."""
