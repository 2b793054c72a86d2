"""``mx.mod``: symbols with their parameters, an optimizer and a training loop.

:class:`Module` trains one graph, :class:`BucketingModule` graphs of several sizes that share parameters, :class:`SequentialModule` a
chain of modules; :class:`PythonModule` and :class:`PythonLossModule` are modules written in Python.
"""

from __future__ import annotations

from .base_module import BaseModule as BaseModule
from .bucketing_module import BucketingModule as BucketingModule
from .module import Module as Module
from .python_module import PythonLossModule as PythonLossModule
from .python_module import PythonModule as PythonModule
from .sequential_module import SequentialModule as SequentialModule

__all__ = ["BaseModule", "BucketingModule", "Module", "PythonLossModule", "PythonModule", "SequentialModule"]
