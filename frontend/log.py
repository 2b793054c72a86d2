"""Loggers with a short, coloured line format."""

from __future__ import annotations

import logging
import sys
import warnings
from logging import CRITICAL, DEBUG, ERROR, INFO, NOTSET, WARNING

__all__ = ["CRITICAL", "DEBUG", "ERROR", "INFO", "NOTSET", "WARNING", "getLogger", "get_logger"]

_COLOURS = {logging.WARNING: "\x1b[33m", logging.ERROR: "\x1b[31m", logging.CRITICAL: "\x1b[31m"}
_LETTERS = {logging.CRITICAL: "C", logging.ERROR: "E", logging.WARNING: "W", logging.INFO: "I", logging.DEBUG: "D"}


class _Formatter(logging.Formatter):
    """``W1122 11:30:00 1234 name:function:line] message``, coloured on a terminal."""

    def __init__(self, colored: bool = True) -> None:
        super().__init__(datefmt="%m%d %H:%M:%S")
        self.colored = colored

    def format(self, record: logging.LogRecord) -> str:
        head = f"{_LETTERS.get(record.levelno, 'U')}%(asctime)s %(process)d %(pathname)s:%(funcName)s:%(lineno)d"
        if self.colored:
            head = _COLOURS.get(record.levelno, "\x1b[32m") + head + "\x1b[0m"
        self._style = logging.PercentStyle(head + "] %(message)s")
        return super().format(record)


def get_logger(name: str | None = None, filename: str | None = None, filemode: str | None = None, level: int = WARNING) -> logging.Logger:
    """Return a logger that writes to `filename`, or to standard error.

    A logger is set up once; later calls with its name return it as it is.

    Parameters
    ----------
    name : str, optional
        Name of the logger; the root logger by default.
    filename : str, optional
        File to write to.
    filemode : str, optional
        Mode to open the file with, ``"a"`` by default.
    level : int, default WARNING
        Least level that is written.

    Examples
    --------
    >>> get_logger("weft-example", level=INFO).level == INFO
    True
    """
    logger = logging.getLogger(name)
    if name is not None and not getattr(logger, "_init_done", None):
        logger._init_done = True  # type: ignore[attr-defined]
        handler: logging.Handler
        if filename:
            handler = logging.FileHandler(filename, filemode or "a")
            handler.setFormatter(_Formatter(colored=False))
        else:
            handler = logging.StreamHandler()
            handler.setFormatter(_Formatter(colored=sys.stderr.isatty()))
        logger.addHandler(handler)
        logger.setLevel(level)
    return logger


def getLogger(name: str | None = None, filename: str | None = None, filemode: str | None = None, level: int = WARNING) -> logging.Logger:
    """Return a logger; the old name of :func:`get_logger`."""
    warnings.warn("getLogger is deprecated, use get_logger instead", DeprecationWarning, stacklevel=2)
    return get_logger(name, filename, filemode, level)
