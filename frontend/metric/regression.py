"""Metrics of numbers: errors, losses, correlation."""

from __future__ import annotations

from typing import Any

import numpy

from ...ops.array import NDArray
from .base import Arrays, EvalMetric, Total, alias, check_label_shapes, register

__all__ = ["MAE", "MSE", "RMSE", "Caffe", "Loss", "PearsonCorrelation", "Torch"]


class _MeanError(EvalMetric):
    """An error that is computed for each batch, and averaged over batches."""

    def __init__(self, name: str, output_names: list[str] | None = None, label_names: list[str] | None = None) -> None:
        super().__init__(name, output_names, label_names, has_global_stats=True)

    @staticmethod
    def _error(difference: numpy.ndarray) -> Any:
        raise NotImplementedError

    def _measure(self, label: numpy.ndarray, pred: numpy.ndarray) -> tuple[float, int]:
        # Vectors are columns: a vector of labels belongs to a column of predictions.
        label, pred = (array.reshape(-1, 1) if array.ndim == 1 else array for array in (label, pred))
        difference = numpy.subtract(label, pred, dtype=numpy.result_type(label, pred, numpy.float32))
        return float(self._error(difference)), 1

    def update(self, labels: Arrays, preds: Arrays) -> None:
        """Add a batch."""
        for label, pred in zip(*check_label_shapes(labels, preds, True)):
            self._later(self._measure, label, pred)


@register
class MAE(_MeanError):
    """Mean absolute error.

    Examples
    --------
    >>> import weft as mx
    >>> metric = mx.metric.MAE()
    >>> metric.update([mx.nd.array([1.0, 2.0])], [mx.nd.array([1.5, 4.0])])
    >>> metric.get()
    ('mae', 1.25)
    """

    def __init__(self, name: str = "mae", output_names: list[str] | None = None, label_names: list[str] | None = None) -> None:
        super().__init__(name, output_names, label_names)

    @staticmethod
    def _error(difference: numpy.ndarray) -> Any:
        return numpy.abs(difference).mean(dtype=numpy.float64)


@register
class MSE(_MeanError):
    """Mean squared error.

    Examples
    --------
    >>> import weft as mx
    >>> metric = mx.metric.MSE()
    >>> metric.update([mx.nd.array([1.0, 2.0])], [mx.nd.array([1.5, 4.0])])
    >>> metric.get()
    ('mse', 2.125)
    """

    def __init__(self, name: str = "mse", output_names: list[str] | None = None, label_names: list[str] | None = None) -> None:
        super().__init__(name, output_names, label_names)

    @staticmethod
    def _error(difference: numpy.ndarray) -> Any:
        return numpy.square(difference).mean(dtype=numpy.float64)


@register
class RMSE(_MeanError):
    """Square root of the mean squared error of each batch.

    Examples
    --------
    >>> import weft as mx
    >>> metric = mx.metric.RMSE()
    >>> metric.update([mx.nd.array([1.0, 2.0])], [mx.nd.array([4.0, 6.0])])
    >>> print("%.4f" % metric.get()[1])
    3.5355
    """

    def __init__(self, name: str = "rmse", output_names: list[str] | None = None, label_names: list[str] | None = None) -> None:
        super().__init__(name, output_names, label_names)

    @staticmethod
    def _error(difference: numpy.ndarray) -> Any:
        return numpy.sqrt(numpy.square(difference).mean(dtype=numpy.float64))


@register
class Loss(EvalMetric):
    """Mean of the outputs themselves, which are losses; labels are not looked at.

    Examples
    --------
    >>> import weft as mx
    >>> metric = mx.metric.Loss()
    >>> metric.update(None, [mx.nd.array([1.0, 2.0])])
    >>> metric.get()
    ('loss', 1.5)
    """

    def __init__(self, name: str = "loss", output_names: list[str] | None = None, label_names: list[str] | None = None) -> None:
        super().__init__(name, output_names, label_names, has_global_stats=True)

    def update(self, _: Any, preds: Arrays) -> None:
        """Add a batch."""
        for pred in [preds] if isinstance(preds, NDArray) else preds:
            self._later(lambda values: (float(values.sum(dtype=numpy.float64)), values.size), pred)


@register
class Torch(Loss):
    """`Loss` under a name for criteria of Torch.

    Examples
    --------
    >>> import weft as mx
    >>> mx.metric.Torch().name
    'torch'
    """

    def __init__(self, name: str = "torch", output_names: list[str] | None = None, label_names: list[str] | None = None) -> None:
        super().__init__(name, output_names, label_names)


@register
class Caffe(Loss):
    """`Loss` under a name for criteria of Caffe.

    Examples
    --------
    >>> import weft as mx
    >>> mx.metric.Caffe().name
    'caffe'
    """

    def __init__(self, name: str = "caffe", output_names: list[str] | None = None, label_names: list[str] | None = None) -> None:
        super().__init__(name, output_names, label_names)


class _Correlation(Total):
    """Running means, squares and products of two variables, from which their correlation follows."""

    def __init__(self) -> None:
        super().__init__()
        self.size = 0
        self.means = numpy.zeros(2)
        self.products = numpy.zeros((2, 2))

    def add(self, label: numpy.ndarray, pred: numpy.ndarray) -> None:
        """Add a batch; products are taken around the old and the new means, which loses no digits."""
        values = numpy.stack([label, pred])
        before = values - self.means[:, None]
        self.size += values.shape[1]
        self.means = self.means + before.sum(axis=1) / self.size
        self.products = self.products + before @ (values - self.means[:, None]).T
        self.count += 1
        variances = self.products.diagonal()
        with numpy.errstate(invalid="ignore", divide="ignore"):
            self.sum = self.count * float(self.products[0, 1] / numpy.sqrt(variances[0] * variances[1]))


@register
@alias("pearsonr")
class PearsonCorrelation(EvalMetric):
    """Pearson's correlation of labels and predictions.

    Parameters
    ----------
    name : str
    output_names, label_names : list of str, optional
    average : {'macro', 'micro'}
        Mean of the batches' correlations, or the correlation over all instances.

    Examples
    --------
    >>> import weft as mx
    >>> metric = mx.metric.PearsonCorrelation()
    >>> metric.update([mx.nd.array([1.0, 2.0, 3.0])], [mx.nd.array([2.0, 4.0, 6.5])])
    >>> print("%.4f" % metric.get()[1])
    0.9979
    """

    def __init__(
        self,
        name: str = "pearsonr",
        output_names: list[str] | None = None,
        label_names: list[str] | None = None,
        average: str = "macro",
    ) -> None:
        self.average = average
        super().__init__(name, output_names, label_names, average=average, has_global_stats=True)

    def _new_total(self) -> Total:
        return Total() if self.average == "macro" else _Correlation()

    def _measure(self, label: numpy.ndarray, pred: numpy.ndarray) -> tuple[Any, Any]:
        label, pred = (array.ravel().astype(numpy.float64) for array in (label, pred))
        if self.average != "macro":
            return label, pred
        with numpy.errstate(invalid="ignore", divide="ignore"):
            return float(numpy.corrcoef(pred, label)[0, 1]), 1

    def update(self, labels: Arrays, preds: Arrays) -> None:
        """Add a batch."""
        for label, pred in zip(*check_label_shapes(labels, preds, True)):
            check_label_shapes(label, pred, False, True)
            self._later(self._measure, label, pred)
