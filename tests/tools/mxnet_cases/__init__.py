"""The questions that are put to the real MXNet 1.9.1 (see ``record_mxnet.py``)."""
