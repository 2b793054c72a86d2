"""Metrics of classes: how often, and how surely, the right one is predicted."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy

from .base import Arrays, EvalMetric, Total, alias, as_numpy, check_label_shapes, register

__all__ = ["F1", "MCC", "PCC", "Accuracy", "CrossEntropy", "NegativeLogLikelihood", "Perplexity", "TopKAccuracy"]


@register
@alias("acc")
class Accuracy(EvalMetric):
    """Share of the instances whose most likely class is the label.

    Parameters
    ----------
    axis : int
        Axis of the classes.
    name : str
    output_names, label_names : list of str, optional

    Examples
    --------
    >>> import weft as mx
    >>> metric = mx.metric.Accuracy()
    >>> metric.update([mx.nd.array([0, 1, 1])], [mx.nd.array([[0.3, 0.7], [0.0, 1.0], [0.4, 0.6]])])
    >>> print("%.4f" % metric.get()[1])
    0.6667
    """

    def __init__(
        self,
        axis: int = 1,
        name: str = "accuracy",
        output_names: list[str] | None = None,
        label_names: list[str] | None = None,
    ) -> None:
        super().__init__(name, output_names, label_names, axis=axis, has_global_stats=True)
        self.axis = axis

    def update(self, labels: Arrays, preds: Arrays) -> None:
        """Add a batch; predictions are scores of each class, or classes where they have the labels' shape."""
        for label, pred in zip(*check_label_shapes(labels, preds, True)):
            classes = tuple(pred.shape)
            if classes != tuple(label.shape):
                if not -len(classes) <= self.axis < len(classes):
                    raise ValueError(f"metric {self.name}: predictions have shape {classes}, which has no axis {self.axis}")
                place = self.axis % len(classes)
                classes = classes[:place] + classes[place + 1 :]
            if math.prod(classes) != math.prod(label.shape):
                raise ValueError(
                    f"Shape of labels {tuple(label.shape)} does not match shape of predictions {tuple(pred.shape)} over axis {self.axis}"
                )
            self._later(self._measure, label, pred)

    def _measure(self, label: numpy.ndarray, pred: numpy.ndarray) -> tuple[int, int]:
        chosen = pred.argmax(axis=self.axis) if pred.shape != label.shape else pred.astype(numpy.int32)
        return int((chosen.ravel() == label.astype(numpy.int32).ravel()).sum()), chosen.size


@register
@alias("top_k_accuracy", "top_k_acc")
class TopKAccuracy(EvalMetric):
    """Share of the instances whose label is among the `top_k` most likely classes.

    Parameters
    ----------
    top_k : int
        At least 2; it is added to the name.
    name : str
    output_names, label_names : list of str, optional

    Examples
    --------
    >>> import weft as mx
    >>> metric = mx.metric.TopKAccuracy(top_k=2)
    >>> metric.update([mx.nd.array([2, 0])], [mx.nd.array([[0.2, 0.5, 0.3], [0.1, 0.2, 0.7]])])
    >>> metric.get()
    ('top_k_accuracy_2', 0.5)
    """

    def __init__(
        self,
        top_k: int = 1,
        name: str = "top_k_accuracy",
        output_names: list[str] | None = None,
        label_names: list[str] | None = None,
    ) -> None:
        if top_k <= 1:
            raise ValueError(f"top_k is {top_k}, expected more than 1; for 1 there is Accuracy")
        # A name that get_config returned has the number already.
        name = name if name.endswith(f"_{top_k}") else f"{name}_{top_k}"
        super().__init__(name, output_names, label_names, top_k=top_k, has_global_stats=True)
        self.top_k = top_k

    def update(self, labels: Arrays, preds: Arrays) -> None:
        """Add a batch."""
        for label, pred in zip(*check_label_shapes(labels, preds, True)):
            if len(pred.shape) > 2:
                raise ValueError(f"metric {self.name}: predictions have shape {pred.shape}, expected at most two dimensions")
            check_label_shapes(label, pred)
            self._later(self._measure, label, pred)

    def _measure(self, label: numpy.ndarray, pred: numpy.ndarray) -> tuple[int, int]:
        top_k = min(self.top_k, pred.shape[-1])
        order = numpy.argpartition(pred.astype(numpy.float32), -top_k)
        label = label.astype(numpy.int32).ravel()
        best = order[:, -top_k:] if pred.ndim == 2 else order[:, None]
        return int((best == label[:, None]).sum()), pred.shape[0]


def _f_score(counts: numpy.ndarray) -> float:
    """Return F1 from counts [label, prediction]."""
    right, wrong = float(counts[1, 1]), float(counts[0, 1] + counts[1, 0])
    return 2 * right / (2 * right + wrong) if right else 0.0


def _matthews(counts: numpy.ndarray) -> float:
    """Return Matthews' correlation coefficient from counts [label, prediction]; empty rows and columns do not count."""
    if not counts.sum():
        return 0.0
    sums = [float(total) for total in (*counts.sum(axis=0), *counts.sum(axis=1)) if total]
    return float(counts[0, 0] * counts[1, 1] - counts[0, 1] * counts[1, 0]) / math.sqrt(math.prod(sums))


class _Counted(Total):
    """Counts [label, prediction] over all instances, and the score of them."""

    def __init__(self, score: Callable[[numpy.ndarray], float]) -> None:
        super().__init__()
        self.score = score
        self.counts = numpy.zeros((2, 2))

    def add(self, counts: numpy.ndarray, _: Any) -> None:
        self.counts = self.counts + counts
        self.count = int(self.counts.sum())
        self.sum = self.score(self.counts) * self.count


class _BinaryMetric(EvalMetric):
    """A score from how often each of two classes is predicted for each."""

    def __init__(
        self,
        score: Callable[[numpy.ndarray], float],
        name: str,
        output_names: list[str] | None,
        label_names: list[str] | None,
        average: str,
    ) -> None:
        self.average = average
        self._score = score
        super().__init__(name, output_names, label_names, average=average, has_global_stats=True)

    def _new_total(self) -> Total:
        return Total() if self.average == "macro" else _Counted(self._score)

    def update(self, labels: Arrays, preds: Arrays) -> None:
        """Add a batch: labels are 0 or 1, predictions scores of both."""
        labels, preds = check_label_shapes(labels, preds, True)
        for label, pred in zip(labels, preds):
            check_label_shapes(label, pred)
            if len(pred.shape) != 2:
                raise ValueError(f"metric {self.name}: predictions have shape {pred.shape}, expected (instances, 2)")
            # Labels come from the data: unlike predictions, they are there.
            found = numpy.unique(as_numpy(label).astype(numpy.int32))
            if len(found) > 2:
                raise ValueError(f"{type(self).__name__} currently only supports binary classification, got labels {found}")
        self._later(self._measure, *(array for pair in zip(labels, preds) for array in pair))

    def _measure(self, *arrays: numpy.ndarray) -> tuple[Any, Any]:
        counts = numpy.zeros((2, 2))
        for label, pred in zip(arrays[::2], arrays[1::2]):
            places = (label.astype(numpy.int32).ravel() == 1) * 2 + (pred.argmax(axis=1) == 1)
            counts += numpy.bincount(places, minlength=4).reshape(2, 2)
        return (self._score(counts), 1) if self.average == "macro" else (counts, None)


@register
class F1(_BinaryMetric):
    """Harmonic mean of precision and recall, of two classes.

    Parameters
    ----------
    name : str
    output_names, label_names : list of str, optional
    average : {'macro', 'micro'}
        Mean of the batches' scores, or the score of all instances.

    Examples
    --------
    >>> import weft as mx
    >>> metric = mx.metric.F1()
    >>> metric.update([mx.nd.array([0, 1, 1])], [mx.nd.array([[0.3, 0.7], [0.0, 1.0], [0.4, 0.6]])])
    >>> metric.get()
    ('f1', 0.8)
    """

    def __init__(
        self,
        name: str = "f1",
        output_names: list[str] | None = None,
        label_names: list[str] | None = None,
        average: str = "macro",
    ) -> None:
        super().__init__(_f_score, name, output_names, label_names, average)


@register
class MCC(_BinaryMetric):
    """Matthews' correlation coefficient, of two classes.

    Parameters
    ----------
    name : str
    output_names, label_names : list of str, optional
    average : {'macro', 'micro'}
        Mean of the batches' coefficients, or the coefficient of all instances.

    Examples
    --------
    >>> import weft as mx
    >>> metric = mx.metric.MCC()
    >>> metric.update([mx.nd.array([0, 1, 1])], [mx.nd.array([[0.7, 0.3], [0.0, 1.0], [0.6, 0.4]])])
    >>> metric.get()
    ('mcc', 0.5)
    """

    def __init__(
        self,
        name: str = "mcc",
        output_names: list[str] | None = None,
        label_names: list[str] | None = None,
        average: str = "macro",
    ) -> None:
        super().__init__(_matthews, name, output_names, label_names, average)


class _Confusion(Total):
    """How often each class was predicted for each; the sum is the correlation times the number of updates."""

    def __init__(self) -> None:
        self.matrix = numpy.zeros((2, 2))
        super().__init__()

    def add(self, *matrices: numpy.ndarray) -> None:
        for matrix in matrices:
            size = max(len(matrix), len(self.matrix))
            both = numpy.zeros((size, size))
            both[: len(self.matrix), : len(self.matrix)] += self.matrix
            both[: len(matrix), : len(matrix)] += matrix
            self.matrix = both
        self.count += 1
        self.sum = self.correlation() * self.count

    def correlation(self) -> float:
        total, rows, columns = self.matrix.sum(), self.matrix.sum(axis=1), self.matrix.sum(axis=0)
        spread = numpy.sum(rows * (total - rows)) * numpy.sum(columns * (total - columns))
        return float(numpy.sum(self.matrix.diagonal() * total - rows * columns) / spread**0.5) if spread else float("nan")


@register
class PCC(EvalMetric):
    """Pearson's correlation of classes: `MCC` for any number of them.

    Parameters
    ----------
    name : str
    output_names, label_names : list of str, optional
    has_global_stats : bool
        Whether `get_global` is apart from `get`.

    Examples
    --------
    >>> import weft as mx
    >>> metric = mx.metric.PCC()
    >>> metric.update([mx.nd.array([0, 1, 1])], [mx.nd.array([[0.7, 0.3], [0.0, 1.0], [0.6, 0.4]])])
    >>> metric.get()
    ('pcc', 0.5)
    """

    def __init__(
        self,
        name: str = "pcc",
        output_names: list[str] | None = None,
        label_names: list[str] | None = None,
        has_global_stats: bool = True,
    ) -> None:
        super().__init__(name, output_names, label_names, has_global_stats=has_global_stats)

    def _new_total(self) -> Total:
        return _Confusion()

    def update(self, labels: Arrays, preds: Arrays) -> None:
        """Add a batch; predictions are scores of each class, or classes where they have the labels' shape."""
        pairs = zip(*check_label_shapes(labels, preds, True))
        self._later(self._measure, *(array for pair in pairs for array in pair))

    @staticmethod
    def _measure(*arrays: numpy.ndarray) -> tuple[numpy.ndarray, ...]:
        matrices = []
        for label, pred in zip(arrays[::2], arrays[1::2]):
            chosen = pred.argmax(axis=1) if pred.shape != label.shape else pred.astype(numpy.int32)
            label, chosen = label.astype(numpy.int32).ravel(), chosen.ravel()
            size = int(max(chosen.max(), label.max())) + 1
            matrix = numpy.zeros((size, size))
            numpy.add.at(matrix, (chosen, label), 1)
            matrices.append(matrix)
        return tuple(matrices)


@register
class Perplexity(EvalMetric):
    """Exponential of the mean negative log-likelihood of the labels.

    Parameters
    ----------
    ignore_label : int or None
        Label of instances that do not count, such as padding.
    axis : int
        Axis of the classes.
    name : str
    output_names, label_names : list of str, optional

    Examples
    --------
    >>> import weft as mx
    >>> metric = mx.metric.Perplexity(ignore_label=None)
    >>> metric.update([mx.nd.array([0, 1])], [mx.nd.array([[0.5, 0.5], [0.5, 0.5]])])
    >>> print("%.4f" % metric.get()[1])
    2.0000
    """

    def __init__(
        self,
        ignore_label: int | None,
        axis: int = -1,
        name: str = "perplexity",
        output_names: list[str] | None = None,
        label_names: list[str] | None = None,
    ) -> None:
        super().__init__(name, output_names, label_names, ignore_label=ignore_label, axis=axis, has_global_stats=True)
        self.ignore_label = ignore_label
        self.axis = axis

    def update(self, labels: Arrays, preds: Arrays) -> None:
        """Add a batch."""
        labels, preds = check_label_shapes(labels, preds, True)
        for label, pred in zip(labels, preds):
            if math.prod(label.shape) * pred.shape[self.axis] != math.prod(pred.shape):
                raise ValueError(f"Shape of labels {label.shape} does not match shape of predictions {pred.shape}")
        self._later(self._measure, *(array for pair in zip(labels, preds) for array in pair))

    def _measure(self, *arrays: numpy.ndarray) -> tuple[float, int]:
        loss, count = 0.0, 0
        for label, pred in zip(arrays[::2], arrays[1::2]):
            scores = numpy.moveaxis(pred, self.axis, -1).reshape(label.size, -1)
            places = label.ravel().astype(numpy.int32).clip(0, scores.shape[1] - 1)
            likelihood = scores[numpy.arange(label.size), places].astype(numpy.float64)
            if self.ignore_label is not None:
                likelihood = likelihood[label.ravel() != self.ignore_label]
            loss -= float(numpy.log(numpy.maximum(1e-10, likelihood)).sum())
            count += likelihood.size
        return loss, count

    def _mean(self, value: Any, count: Any) -> Any:
        return math.exp(value / count) if count else float("nan")


class _LogLikelihood(EvalMetric):
    """Mean negative logarithm of the score of the labels' classes."""

    def __init__(self, eps: float, name: str, output_names: list[str] | None, label_names: list[str] | None) -> None:
        super().__init__(name, output_names, label_names, eps=eps, has_global_stats=True)
        self.eps = eps

    def update(self, labels: Arrays, preds: Arrays) -> None:
        """Add a batch."""
        for label, pred in zip(*check_label_shapes(labels, preds, True)):
            if math.prod(label.shape) != pred.shape[0]:
                raise ValueError(f"Shape of labels {label.shape} does not match shape of predictions {pred.shape}")
            self._later(self._measure, label, pred)

    def _measure(self, label: numpy.ndarray, pred: numpy.ndarray) -> tuple[float, int]:
        scores = pred[numpy.arange(label.size), label.ravel().astype(numpy.int64)].astype(numpy.float64)
        with numpy.errstate(divide="ignore", invalid="ignore"):
            return float(-numpy.log(scores + self.eps).sum()), label.size


@register
@alias("ce")
class CrossEntropy(_LogLikelihood):
    """Mean negative logarithm of the probability of the label.

    Parameters
    ----------
    eps : float
        Added to probabilities, which may be zero.
    name : str
    output_names, label_names : list of str, optional

    Examples
    --------
    >>> import weft as mx
    >>> metric = mx.metric.CrossEntropy()
    >>> metric.update([mx.nd.array([0, 1])], [mx.nd.array([[0.5, 0.5], [0.5, 0.5]])])
    >>> print("%.4f" % metric.get()[1])
    0.6931
    """

    def __init__(
        self,
        eps: float = 1e-12,
        name: str = "cross-entropy",
        output_names: list[str] | None = None,
        label_names: list[str] | None = None,
    ) -> None:
        super().__init__(eps, name, output_names, label_names)


@register
@alias("nll_loss")
class NegativeLogLikelihood(_LogLikelihood):
    """The same as `CrossEntropy`, under another name.

    Examples
    --------
    >>> import weft as mx
    >>> mx.metric.create("nll_loss").name
    'nll-loss'
    """

    def __init__(
        self,
        eps: float = 1e-12,
        name: str = "nll-loss",
        output_names: list[str] | None = None,
        label_names: list[str] | None = None,
    ) -> None:
        super().__init__(eps, name, output_names, label_names)
