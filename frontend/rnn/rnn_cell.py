"""All recurrent cells, under the module name that programs import them from."""

from __future__ import annotations

from .base import BaseRNNCell as BaseRNNCell
from .base import RNNParams as RNNParams
from .compound import BidirectionalCell as BidirectionalCell
from .compound import DropoutCell as DropoutCell
from .compound import ModifierCell as ModifierCell
from .compound import ResidualCell as ResidualCell
from .compound import SequentialRNNCell as SequentialRNNCell
from .compound import ZoneoutCell as ZoneoutCell
from .fused import FusedRNNCell as FusedRNNCell
from .gates import BaseConvRNNCell as BaseConvRNNCell
from .gates import ConvGRUCell as ConvGRUCell
from .gates import ConvLSTMCell as ConvLSTMCell
from .gates import ConvRNNCell as ConvRNNCell
from .gates import GRUCell as GRUCell
from .gates import LSTMCell as LSTMCell
from .gates import RNNCell as RNNCell

__all__ = [
    "BaseConvRNNCell",
    "BaseRNNCell",
    "BidirectionalCell",
    "ConvGRUCell",
    "ConvLSTMCell",
    "ConvRNNCell",
    "DropoutCell",
    "FusedRNNCell",
    "GRUCell",
    "LSTMCell",
    "ModifierCell",
    "RNNCell",
    "RNNParams",
    "ResidualCell",
    "SequentialRNNCell",
    "ZoneoutCell",
]
