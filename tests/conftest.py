"""Every test starts from random seeds that depend on its name alone, so that a failure can be repeated."""

import logging
import random
import zlib

import numpy as np
import pytest

import weft as mx


@pytest.fixture(autouse=True)
def seeds(request):
    seed = zlib.crc32(request.node.nodeid.encode()) & 0x7FFFFFFF
    random.seed(seed)
    np.random.seed(seed)
    if hasattr(mx, "random"):
        mx.random.seed(seed)


@pytest.fixture(autouse=True)
def log_level():
    yield
    # Recorded programs switch messages off and leave it at that.
    logging.disable(logging.NOTSET)
