"""The examples in docstrings run and print what they say."""

import doctest
import importlib
import pkgutil

import pytest

import weft

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
MODULES = sorted(
    found.name
    for found in pkgutil.walk_packages(weft.__path__, "weft.")
    if not found.name.rpartition(".")[2].startswith(("__main__", "libweft"))
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = importlib.import_module(name)
    failed, _ = doctest.testmod(module, optionflags=FLAGS)
    assert failed == 0
