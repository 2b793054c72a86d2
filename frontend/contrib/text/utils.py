"""Counting the tokens of a text."""

from __future__ import annotations

import re
from collections import Counter

__all__ = ["count_tokens_from_str"]


def count_tokens_from_str(
    source_str: str,
    token_delim: str = " ",
    seq_delim: str = "\n",
    to_lower: bool = False,
    counter_to_update: Counter[str] | None = None,
) -> Counter[str]:
    """Count how often each token occurs.

    Parameters
    ----------
    source_str : str
        The text.
    token_delim, seq_delim : str
        What stands between tokens and between sequences of them: regular expressions.
    to_lower : bool, default False
        Whether large letters count as small ones.
    counter_to_update : collections.Counter, optional
        Add to this one, and return it.

    Examples
    --------
    >>> count_tokens_from_str("Life is life", to_lower=True)
    Counter({'life': 2, 'is': 1})
    """
    tokens = [token for token in re.split(f"{token_delim}|{seq_delim}", source_str) if token]
    counter: Counter[str] = Counter() if counter_to_update is None else counter_to_update
    counter.update([token.lower() for token in tokens] if to_lower else tokens)
    return counter
