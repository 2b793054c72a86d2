"""Metrics as curves in TensorBoard."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["LogMetricsCallback"]

#: Packages with a SummaryWriter, MXNet's own first.
WRITERS = ("mxboard", "tensorboardX", "torch.utils.tensorboard")


class LogMetricsCallback:
    """Writes a metric's values to the event file of TensorBoard when it is called, as a callback of batches or of scoring.

    Parameters
    ----------
    logging_dir : str
        Folder of the event file; show it with ``tensorboard --logdir``.
    prefix : str, optional
        What stands before the names of the metrics.
    """

    def __init__(self, logging_dir: str, prefix: str | None = None) -> None:
        self.prefix = prefix
        for package in WRITERS:
            try:
                writer = importlib.import_module(package).SummaryWriter
            except ImportError:
                continue
            self.summary_writer = writer(logging_dir)
            return
        raise ImportError(f"LogMetricsCallback needs one of the packages {', '.join(WRITERS)}: pip install mxboard")

    def __call__(self, param: Any) -> None:
        """Write the values at hand."""
        if param.eval_metric is None:
            return
        for name, value in param.eval_metric.get_name_value():
            label = name if self.prefix is None else f"{self.prefix}-{name}"
            self.summary_writer.add_scalar(label, value, global_step=param.epoch)
