"""What all metrics share: names, running totals, and values that are added once they have been computed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy

from ...engine import Var, push
from ...ops.array import NDArray
from ..registry import get_alias_func, get_create_func, get_register_func

__all__ = ["CompositeEvalMetric", "CustomMetric", "EvalMetric", "alias", "check_label_shapes", "create", "np", "register"]

Arrays = Any  # an NDArray, or a list of them


def check_label_shapes(labels: Any, preds: Any, wrap: bool = False, shape: bool = False) -> tuple[Any, Any]:
    """Raise ValueError where there are not as many labels as predictions.

    Parameters
    ----------
    labels, preds : NDArray or list of NDArray
    wrap : bool
        Whether to return lists where arrays were given.
    shape : bool
        Whether to compare shapes instead of lengths.

    Examples
    --------
    >>> import weft as mx
    >>> labels, preds = mx.metric.check_label_shapes(mx.nd.ones((2,)), mx.nd.ones((2, 3)), wrap=True)
    >>> len(labels), preds[0].shape
    (1, (2, 3))
    """
    found = (labels.shape, preds.shape) if shape else (len(labels), len(preds))
    if found[0] != found[1]:
        raise ValueError(f"Shape of labels {found[0]} does not match shape of predictions {found[1]}")
    if wrap:
        labels, preds = (values if isinstance(values, (list, tuple)) else [values] for values in (labels, preds))
    return labels, preds


def as_numpy(values: Any) -> numpy.ndarray:
    """Return an array as NumPy's, waiting for it."""
    return values.asnumpy() if isinstance(values, NDArray) else numpy.asarray(values)


class Total:
    """A sum over a number of instances, to which tasks of the engine add."""

    def __init__(self) -> None:
        self.sum: Any = 0.0
        self.count: Any = 0
        self.var: Var | None = None  # orders the tasks that are under way; None: there are none

    def add(self, value: Any, count: Any) -> None:
        """Add a value over some instances."""
        self.sum += value
        self.count += count

    def settle(self) -> Total:
        """Wait for the tasks under way; raise the error of the first that failed."""
        if self.var is not None:
            self.var.wait()
            self.var = None
        return self

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self.settle()), "var": None}


class EvalMetric:
    """Base of the metrics; subclasses define `update`, which adds to ``sum_metric`` and ``num_inst``.

    Updates do not wait for predictions that are still being computed: what they add is computed after them, and
    reading the metric waits. `get` gives the mean since the last `reset_local`, `get_global` since the last `reset`.

    Parameters
    ----------
    name : str
    output_names, label_names : list of str, optional
        Which outputs and labels `update_dict` takes; by default all.
    **kwargs
        Further arguments with which such a metric is made again; `get_config` returns them.

    Examples
    --------
    >>> import weft as mx
    >>> class Sum(mx.metric.EvalMetric):
    ...     def update(self, labels, preds):
    ...         self.sum_metric += sum(pred.sum().asscalar() for pred in preds)
    ...         self.num_inst += 1
    >>> metric = Sum("sum")
    >>> metric.update([], [mx.nd.ones((3,))])
    >>> metric.get()
    ('sum', np.float32(3.0))
    """

    def __init__(self, name: str, output_names: list[str] | None = None, label_names: list[str] | None = None, **kwargs: Any) -> None:
        self.name = str(name)
        self.output_names = output_names
        self.label_names = label_names
        self._has_global_stats = kwargs.pop("has_global_stats", False)
        self._kwargs = kwargs
        self.reset()

    def __str__(self) -> str:
        return f"EvalMetric: {dict(self.get_name_value())}"

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this metric again, for `create`.

        Examples
        --------
        >>> import weft as mx
        >>> mx.metric.create(mx.metric.Accuracy(axis=2).get_config()).axis
        2
        """
        names = {"name": self.name, "output_names": self.output_names, "label_names": self.label_names}
        return {**self._kwargs, "metric": type(self).__name__, **names}

    # ---- updates -------------------------------------------------------------------------------------------------------

    def update(self, labels: Arrays, preds: Arrays) -> None:
        """Add a batch."""
        raise NotImplementedError(f"{type(self).__name__} must define update")

    def update_dict(self, label: Mapping[str, NDArray], pred: Mapping[str, NDArray]) -> None:
        """Add a batch, whose labels and outputs are given by name."""
        chosen = []
        for kind, names, given in (("label", self.label_names, label), ("output", self.output_names, pred)):
            if names is None:
                chosen.append(list(given.values()))
                continue
            missing = [name for name in names if name not in given]
            if missing:
                raise ValueError(f"metric {self.name}: there is no {kind} {missing[0]!r}; there are {', '.join(given)}")
            chosen.append([given[name] for name in names])
        self.update(*chosen)

    def _later(self, function: Callable[..., tuple[Any, ...]], *arrays: Any) -> None:
        """Add ``function(*arrays)``, of NumPy arrays, to the totals once the arrays have been computed."""
        totals = (self._local(), self._overall())

        def measure() -> None:
            found = function(*map(as_numpy, arrays))
            for total in totals:
                total.add(*found)

        waited = [array for array in arrays if isinstance(array, NDArray)]
        if all(total.var is None for total in totals) and all(array._idle() for array in waited):
            measure()
            return
        for total in totals:
            total.var = total.var or Var()
        # Reading the totals as well makes a failed update stay: what was added to them is not known.
        order = [total.var for total in totals]
        push(measure, reads=[*waited, *order], writes=order, name=f"metric {self.name}")

    # ---- totals --------------------------------------------------------------------------------------------------------

    def _new_total(self) -> Total:
        """Return an empty total."""
        return Total()

    # Made when they are first asked for: subclasses of programs define reset() as they like.
    def _local(self) -> Total:
        return self.__dict__.get("_local_total") or self.__dict__.setdefault("_local_total", self._new_total())

    def _overall(self) -> Total:
        return self.__dict__.get("_overall_total") or self.__dict__.setdefault("_overall_total", self._new_total())

    @property
    def sum_metric(self) -> Any:
        """Sum since the last `reset_local`."""
        return self._local().settle().sum

    @sum_metric.setter
    def sum_metric(self, value: Any) -> None:
        self._local().settle().sum = value

    @property
    def num_inst(self) -> Any:
        """Number of instances since the last `reset_local`."""
        return self._local().settle().count

    @num_inst.setter
    def num_inst(self, value: Any) -> None:
        self._local().settle().count = value

    @property
    def global_sum_metric(self) -> Any:
        """Sum since the last `reset`."""
        return self._overall().settle().sum

    @global_sum_metric.setter
    def global_sum_metric(self, value: Any) -> None:
        self._overall().settle().sum = value

    @property
    def global_num_inst(self) -> Any:
        """Number of instances since the last `reset`."""
        return self._overall().settle().count

    @global_num_inst.setter
    def global_num_inst(self, value: Any) -> None:
        self._overall().settle().count = value

    def reset(self) -> None:
        """Forget everything."""
        self.reset_local()
        self._overall_total = self._new_total()

    def reset_local(self) -> None:
        """Forget what `get` gives; `get_global` keeps it."""
        self._local_total = self._new_total()

    # ---- values --------------------------------------------------------------------------------------------------------

    def _mean(self, value: Any, count: Any) -> Any:
        """Return the metric from a sum and a number of instances."""
        return value / count if count else float("nan")

    def get(self) -> tuple[Any, Any]:
        """Return name and value since the last `reset_local`; NaN where there was no update."""
        return self.name, self._mean(self.sum_metric, self.num_inst)

    def get_global(self) -> tuple[Any, Any]:
        """Return name and value since the last `reset`."""
        return (self.name, self._mean(self.global_sum_metric, self.global_num_inst)) if self._has_global_stats else self.get()

    def get_name_value(self) -> list[tuple[str, Any]]:
        """Return pairs of name and value since the last `reset_local`."""
        return _pairs(*self.get())

    def get_global_name_value(self) -> list[tuple[str, Any]]:
        """Return pairs of name and value since the last `reset`."""
        # Metrics of programs that keep no such totals may define their own `get_name_value`.
        return _pairs(*self.get_global()) if self._has_global_stats else self.get_name_value()


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _pairs(name: Any, value: Any) -> list[tuple[str, Any]]:
    return list(zip(_listed(name), _listed(value)))


register = get_register_func(EvalMetric, "metric")
alias = get_alias_func(EvalMetric, "metric")
_create = get_create_func(EvalMetric, "metric")


def create(metric: Any, *args: Any, **kwargs: Any) -> EvalMetric:
    """Create a metric from a name, a function, a list of these, a configuration, or an instance.

    Parameters
    ----------
    metric : str, callable, list, dict or EvalMetric
    *args, **kwargs
        Arguments of the metric.

    Examples
    --------
    >>> import weft as mx
    >>> mx.metric.create("acc").name, mx.metric.create(["mae", "mse"]).get()[0]
    ('accuracy', ['mae', 'mse'])
    """
    if callable(metric):
        return CustomMetric(metric, *args, **kwargs)
    if isinstance(metric, list):
        return CompositeEvalMetric([create(one, *args, **kwargs) for one in metric])
    return _create(metric, *args, **kwargs)


@register
@alias("composite")
class CompositeEvalMetric(EvalMetric):
    """Several metrics in one.

    Parameters
    ----------
    metrics : list of EvalMetric or of what `create` takes
    name : str
    output_names, label_names : list of str, optional

    Examples
    --------
    >>> import weft as mx
    >>> metric = mx.metric.CompositeEvalMetric(["mae", "mse"])
    >>> metric.update([mx.nd.array([1.0])], [mx.nd.array([3.0])])
    >>> metric.get()
    (['mae', 'mse'], [2.0, 4.0])
    """

    def __init__(
        self,
        metrics: Sequence[Any] | None = None,
        name: str = "composite",
        output_names: list[str] | None = None,
        label_names: list[str] | None = None,
    ) -> None:
        self.metrics = [create(metric) for metric in metrics or ()]
        super().__init__(name, output_names, label_names, has_global_stats=True)

    def add(self, metric: Any) -> None:
        """Add a metric, or what `create` makes one from."""
        self.metrics.append(create(metric))

    def get_metric(self, index: int) -> EvalMetric:
        """Return one of the metrics."""
        if not -len(self.metrics) <= index < len(self.metrics):
            raise ValueError(f"Metric index {index} is out of range 0 and {len(self.metrics)}")
        return self.metrics[index]

    def update(self, labels: Arrays, preds: Arrays) -> None:
        """Add a batch to each metric."""
        for metric in self.metrics:
            metric.update(labels, preds)

    def update_dict(self, labels: Mapping[str, NDArray], preds: Mapping[str, NDArray]) -> None:  # type: ignore[override]
        """Add a batch, whose labels and outputs are given by name, to each metric."""
        if self.label_names is not None:
            labels = OrderedDict(item for item in labels.items() if item[0] in self.label_names)
        if self.output_names is not None:
            preds = OrderedDict(item for item in preds.items() if item[0] in self.output_names)
        for metric in self.metrics:
            metric.update_dict(labels, preds)

    def reset(self) -> None:
        """Forget everything, in each metric."""
        for metric in self.metrics:
            metric.reset()

    def reset_local(self) -> None:
        """Forget what `get` gives, in each metric."""
        for metric in self.metrics:
            metric.reset_local()

    def get(self) -> tuple[list[str], list[Any]]:
        """Return names and values since the last `reset_local`."""
        return _joined(metric.get() for metric in self.metrics)

    def get_global(self) -> tuple[list[str], list[Any]]:
        """Return names and values since the last `reset`."""
        return _joined(metric.get_global() for metric in self.metrics)

    def get_config(self) -> dict[str, Any]:
        """Return the arguments that make this metric again, for `create`."""
        return {**super().get_config(), "metrics": [metric.get_config() for metric in self.metrics]}


def _joined(results: Any) -> tuple[list[str], list[Any]]:
    pairs = [pair for name, value in results for pair in _pairs(name, value)]
    return [name for name, _ in pairs], [value for _, value in pairs]


@register
class CustomMetric(EvalMetric):
    """A metric computed by a function of NumPy arrays.

    Parameters
    ----------
    feval : callable
        Takes label and prediction; returns the value of the batch, or (sum, number of instances).
    name : str, optional
    allow_extra_outputs : bool
        Whether there may be more predictions than labels.
    output_names, label_names : list of str, optional

    Examples
    --------
    >>> import weft as mx
    >>> metric = mx.metric.CustomMetric(lambda label, pred: abs(label - pred).max(), name="worst")
    >>> metric.update([mx.nd.array([1.0, 2.0])], [mx.nd.array([1.5, 4.0])])
    >>> metric.get()
    ('worst', 2.0)
    """

    def __init__(
        self,
        feval: Callable[[numpy.ndarray, numpy.ndarray], Any],
        name: str | None = None,
        allow_extra_outputs: bool = False,
        output_names: list[str] | None = None,
        label_names: list[str] | None = None,
    ) -> None:
        if name is None:
            name = getattr(feval, "__name__", type(feval).__name__)
            name = f"custom({name})" if "<" in name else name
        super().__init__(name, output_names, label_names, feval=feval, allow_extra_outputs=allow_extra_outputs, has_global_stats=True)
        self._feval = feval
        self._allow_extra_outputs = allow_extra_outputs

    def update(self, labels: Arrays, preds: Arrays) -> None:
        """Add a batch; the function is called at once."""
        if not self._allow_extra_outputs:
            labels, preds = check_label_shapes(labels, preds, True)
        for label, pred in zip(labels, preds):
            found = self._feval(as_numpy(label), as_numpy(pred))
            value, count = found if isinstance(found, tuple) else (found, 1)
            value = value.item() if isinstance(value, numpy.generic) else value  # sums in double precision
            for total in (self._local(), self._overall()):
                total.settle().add(value, count)

    def get_config(self) -> dict[str, Any]:
        """Raise NotImplementedError: a function cannot be written down."""
        raise NotImplementedError("CustomMetric cannot be serialized: it holds a function")


def np(
    numpy_feval: Callable[[numpy.ndarray, numpy.ndarray], Any], name: str | None = None, allow_extra_outputs: bool = False
) -> CustomMetric:
    """Make a metric from a function of NumPy arrays; see `CustomMetric`.

    Examples
    --------
    >>> import weft as mx
    >>> def worst(label, pred):
    ...     return abs(label - pred).max()
    >>> mx.metric.np(worst).name
    'worst'
    """
    return CustomMetric(numpy_feval, name, allow_extra_outputs)
