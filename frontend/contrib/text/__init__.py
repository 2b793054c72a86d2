"""Tokens of texts: counting them, numbering them, and vectors for them."""

from __future__ import annotations

from . import embedding as embedding
from . import utils as utils
from . import vocab as vocab
