"""Stochastic variance reduced gradient: a module that corrects the gradient of a batch by that of all data."""

from __future__ import annotations

from . import svrg_module as svrg_module
from . import svrg_optimizer as svrg_optimizer
