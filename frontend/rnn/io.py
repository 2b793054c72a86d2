"""Sentences as numbers, and batches of sentences of about the same length."""

from __future__ import annotations

import bisect
import logging
import random
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from .. import ndarray as nd
from ..io import DataBatch as DataBatch
from ..io import DataDesc as DataDesc
from ..io import DataIter as DataIter

__all__ = ["BucketSentenceIter", "encode_sentences"]


def encode_sentences(
    sentences: Sequence[Sequence[Any]],
    vocab: dict[Any, int] | None = None,
    invalid_label: int = -1,
    invalid_key: Hashable = "\n",
    start_label: int = 0,
    unknown_token: Hashable | None = None,
) -> tuple[list[list[int]], dict[Any, int]]:
    """Number the words of sentences.

    Parameters
    ----------
    sentences : list of list of str
        Sentences as words.
    vocab : dict of str to int, optional
        Numbers of words. Without it a new one is made, to which each new word is added.
    invalid_label : int
        Number of `invalid_key`; no word gets it.
    invalid_key : str
        Key of no word, for the end of sentences.
    start_label : int
        The first number.
    unknown_token : str, optional
        Stands for words that `vocab` lacks; without it, such a word is an error where `vocab` is given.

    Returns
    -------
    encoded : list of list of int
    vocab : dict of str to int

    Examples
    --------
    >>> encode_sentences([["a", "b"], ["b", "c"]], start_label=1)
    ([[1, 2], [2, 3]], {'\\n': -1, 'a': 1, 'b': 2, 'c': 3})
    """
    grows = vocab is None
    numbers = {invalid_key: invalid_label} if vocab is None else vocab
    following = start_label
    encoded = []
    for sentence in sentences:
        line = []
        for word in sentence:
            if word not in numbers:
                if not grows and not unknown_token:
                    raise ValueError(f"word {word!r} is not in vocab, and no unknown_token is given")
                following += following == invalid_label
                word = unknown_token or word
                numbers[word] = following
                following += 1
            line.append(numbers[word])
        encoded.append(line)
    return encoded, numbers


class BucketSentenceIter(DataIter):
    """Gives batches of sentences; the label of each word is the next word.

    Sentences go into the smallest bucket that holds them, and are filled up; a batch comes from one bucket, whose length is its
    `bucket_key`, as :class:`mx.mod.BucketingModule` wants it. Order is random (seeded by :mod:`random` and :mod:`numpy.random`); rows
    that fill no batch wait for another epoch.

    Parameters
    ----------
    sentences : list of list of int
        Sentences as numbers, see :func:`encode_sentences`.
    batch_size : int
    buckets : list of int, optional
        Lengths; by default each length that fills a batch.
    invalid_label : int
        Fills up sentences, and is the label of their last word.
    data_name, label_name : str
        Names of the inputs.
    dtype : str or numpy.dtype
        Of data and labels.
    layout : str
        Axes: 'NT' for sentences first, 'TN' for words first. What else it names ('NTC') is for subclasses that add axes.

    Examples
    --------
    >>> batches = BucketSentenceIter([[1, 2], [3, 4], [5, 6, 7]], batch_size=2, buckets=[2, 4], invalid_label=0)
    >>> batch = next(batches)
    >>> batch.bucket_key, batch.data[0].shape, sorted(batch.label[0].asnumpy()[:, 0].tolist())
    (2, (2, 2), [2.0, 4.0])
    """

    def __init__(
        self,
        sentences: Sequence[Sequence[int]],
        batch_size: int,
        buckets: list[int] | None = None,
        invalid_label: int = -1,
        data_name: str = "data",
        label_name: str = "softmax_label",
        dtype: Any = "float32",
        layout: str = "NT",
    ) -> None:
        super().__init__()
        if layout.find("N") not in (0, 1):
            raise ValueError(f"layout must have N, the axis of sentences, first or second, as in 'NT' or 'TN'; got {layout!r}")
        if not buckets:
            counts = np.bincount([len(sentence) for sentence in sentences])
            buckets = [length for length, count in enumerate(counts) if count >= batch_size]
        self.batch_size = batch_size
        self.data_name = data_name
        self.label_name = label_name
        self.dtype = dtype
        self.invalid_label = invalid_label
        self.major_axis = layout.find("N")
        self.layout = layout
        self._fill(sentences, sorted(buckets))
        if not self.buckets:
            raise ValueError(f"no bucket of {buckets} holds any of the {len(sentences)} sentences; give other buckets")
        self.default_bucket_key = max(self.buckets)
        shape = (batch_size, self.default_bucket_key)
        self.provide_data, self.provide_label = self._descriptions(shape if self.major_axis == 0 else shape[::-1])
        #: Bucket and first row of each batch.
        self.idx = [
            (place, row) for place, rows in enumerate(self.data) for row in range(0, len(rows) - batch_size + 1, batch_size)
        ]
        self.reset()

    def _fill(self, sentences: Sequence[Sequence[int]], buckets: list[int]) -> None:
        """Put each sentence into a bucket, and drop empty buckets."""
        rows: list[list[np.ndarray]] = [[] for _ in buckets]
        discarded = 0
        for sentence in sentences:
            place = bisect.bisect_left(buckets, len(sentence))
            if place == len(buckets):
                discarded += 1
                continue
            row = np.full((buckets[place],), self.invalid_label, dtype=self.dtype)
            row[: len(sentence)] = sentence
            rows[place].append(row)
        if discarded:
            logging.getLogger(__name__).warning("%d sentences are longer than the largest bucket, and left out", discarded)
        self.buckets = [length for length, filled in zip(buckets, rows) if filled]
        self.data = [np.asarray(filled, dtype=self.dtype) for filled in rows if filled]

    def _descriptions(self, shape: tuple[int, ...]) -> tuple[list[DataDesc], list[DataDesc]]:
        return [DataDesc(self.data_name, shape, layout=self.layout)], [DataDesc(self.label_name, shape, layout=self.layout)]

    def reset(self) -> None:
        """Start again, in another order."""
        self.curr_idx = 0
        random.shuffle(self.idx)
        self.nddata: list[nd.NDArray] = []
        self.ndlabel: list[nd.NDArray] = []
        for rows in self.data:
            np.random.shuffle(rows)
            label = np.full_like(rows, self.invalid_label)
            label[:, :-1] = rows[:, 1:]
            self.nddata.append(nd.array(rows, dtype=self.dtype))
            self.ndlabel.append(nd.array(label, dtype=self.dtype))

    def next(self) -> DataBatch:
        """Return the next batch."""
        if self.curr_idx == len(self.idx):
            raise StopIteration
        place, row = self.idx[self.curr_idx]
        self.curr_idx += 1
        data, label = (arrays[place][row : row + self.batch_size] for arrays in (self.nddata, self.ndlabel))
        if self.major_axis == 1:
            data, label = data.T, label.T
        provide_data, provide_label = self._descriptions(data.shape)
        return DataBatch(
            [data], [label], pad=0, bucket_key=self.buckets[place], provide_data=provide_data, provide_label=provide_label
        )
