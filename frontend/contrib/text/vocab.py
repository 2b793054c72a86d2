"""Numbers for tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any

__all__ = ["Vocabulary"]

#: The number of all tokens that a vocabulary does not know.
UNKNOWN = 0


class InvalidArgument(AssertionError, ValueError):
    """An argument that cannot be used; MXNet asserts where this is raised."""


class Vocabulary:
    """Numbers the tokens of a text: the unknown token is 0, then come reserved ones, then the others by how often they occur.

    Parameters
    ----------
    counter : collections.Counter, optional
        How often each token occurs.
    most_freq_count : int, optional
        How many of them are taken at most; those that occur equally often are taken in their order.
    min_freq : int, default 1
        How often a token must occur.
    unknown_token : hashable, default "<unk>"
        Stands for all tokens without a number of their own.
    reserved_tokens : list, optional
        Tokens that are always taken.

    Examples
    --------
    >>> from collections import Counter
    >>> vocabulary = Vocabulary(Counter(["b", "b", "a"]), reserved_tokens=["<pad>"])
    >>> vocabulary.idx_to_token
    ['<unk>', '<pad>', 'b', 'a']
    >>> vocabulary.to_indices(["a", "z"])
    [3, 0]
    """

    def __init__(
        self,
        counter: Counter[Any] | None = None,
        most_freq_count: int | None = None,
        min_freq: int = 1,
        unknown_token: Hashable = "<unk>",
        reserved_tokens: Sequence[Hashable] | None = None,
    ) -> None:
        if min_freq <= 0:
            raise InvalidArgument(f"min_freq must be positive, got {min_freq}")
        reserved = list(reserved_tokens or ())
        if unknown_token in reserved:
            raise InvalidArgument(f"reserved_tokens must not contain the unknown token {unknown_token!r}")
        if len(set(reserved)) != len(reserved):
            raise InvalidArgument(f"reserved_tokens has tokens twice: {reserved}")
        if counter is not None and not isinstance(counter, Counter):
            raise InvalidArgument(f"counter must be a collections.Counter, got {type(counter).__name__}")
        self._unknown_token = unknown_token
        self._reserved_tokens = None if reserved_tokens is None else reserved
        self._idx_to_token: list[Any] = [unknown_token, *reserved]
        if counter is not None:
            taken = set(self._idx_to_token)
            ordered = sorted(counter.items(), key=lambda item: item[0])
            ordered.sort(key=lambda item: item[1], reverse=True)
            found = [token for token, count in ordered if count >= min_freq and token not in taken]
            self._idx_to_token += found[:most_freq_count]
        self._token_to_idx = {token: number for number, token in enumerate(self._idx_to_token)}

    def __len__(self) -> int:
        return len(self.idx_to_token)

    @property
    def token_to_idx(self) -> dict[Any, int]:
        """Numbers by token."""
        return self._token_to_idx

    @property
    def idx_to_token(self) -> list[Any]:
        """Tokens by number."""
        return self._idx_to_token

    @property
    def unknown_token(self) -> Any:
        """What stands for tokens without a number."""
        return self._unknown_token

    @property
    def reserved_tokens(self) -> list[Any] | None:
        """The tokens that are always taken, or None."""
        return self._reserved_tokens

    def to_indices(self, tokens: Any) -> Any:
        """Return the number of a token, or the list of numbers of a list of tokens."""
        if isinstance(tokens, list):
            return [self._token_to_idx.get(token, UNKNOWN) for token in tokens]
        return self._token_to_idx.get(tokens, UNKNOWN)

    def to_tokens(self, indices: Any) -> Any:
        """Return the token of a number, or the list of tokens of a list of numbers."""
        several = indices if isinstance(indices, list) else [indices]
        for number in several:
            if not isinstance(number, int) or number >= len(self._idx_to_token):
                raise ValueError(f"to_tokens: {number!r} is no number of a token; there are {len(self._idx_to_token)}")
        tokens = [self._idx_to_token[number] for number in several]
        return tokens if isinstance(indices, list) else tokens[0]
