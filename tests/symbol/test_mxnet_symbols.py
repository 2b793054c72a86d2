"""Symbols against what the real MXNet 1.9.1 answered: names, JSON text, inference, errors (tests/tools/record_symbols.py)."""

import functools
import gzip
import inspect
import json
import os
import warnings

import mxnet_data
import pytest
import symbol_cases

import weft as mx
from weft.frontend.ndarray._namespace import _candidates
from weft.frontend.symbol import control_flow
from weft.frontend.symbol.composition import SymbolFunction
from weft.ops import registry

# What weft does otherwise on purpose, and why.
DIFFERENT = {
    "old_bn_None": "states that are added count as written once, as in a new symbol; MXNet counts them as never written",
    "old_bn_800": "as old_bn_None",
    "shape_positional": "MXNet 1.9.1's positional inference fails on a null pointer; weft does what its documentation says",
    "lenet_partial": "shapes that do not depend on the unknown batch are found; MXNet stops at the first unknown",
    "lstm_partial": "biases are found from num_hidden alone",
    "shape_backwards": "the bias is found from num_hidden alone",
    "np.bool + x": "True counts as the number 1, as in Python",
    "s.concat(x,1)": "TypeError instead of AssertionError",
    "number_input": "TypeError instead of AssertionError",
    "s.random.uniform(x,1)": "ValueError instead of AssertionError",
}
#: Operators that weft keeps as one, because they differ in sparse arrays only, and names that MXNet forgot to hide.
OTHER_NAMES = {
    "_internal._scatter_elemwise_div",
    "_internal._scatter_minus_scalar",
    "_internal._scatter_plus_scalar",
    "contrib.SparseEmbedding",
}


@functools.cache
def answers():
    with gzip.open(os.path.join(mxnet_data.DATA_DIR, "symbols.json.gz")) as file:
        return json.load(file)


def comparable(value, operator=False):
    """Return an answer without what may differ: how many outputs of a node are hidden."""
    if isinstance(value, list):
        return [comparable(item, operator) for item in value]
    if not isinstance(value, dict):
        return value
    value = {key: comparable(item, operator) for key, item in value.items()}
    if "symbol" in value:
        text = value["symbol"]
        graph = without_rows(json.loads(text))
        value["symbol"] = graph if operator else text[: text.index('"node_row_ptr"')] + text[text.index('"heads"') :]
    return value


def without_rows(graph):
    graph.pop("node_row_ptr")
    for node in graph["nodes"]:
        for inner in node.get("subgraphs", ()):
            without_rows(inner)
    return graph


@pytest.mark.parametrize("name", [*symbol_cases.PROGRAMS])
def test_program(name):
    expected = answers()["programs"][name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        got = symbol_cases.answer(mx, symbol_cases.PROGRAMS[name])
    if name in DIFFERENT:
        assert got != expected or "error" in got
        return
    if "error" in expected:
        # What Python programs catch: MXNet's own error, or the built-in one; bad arguments may be either.
        kinds = set(got["error"])
        assert expected["error"][0] in kinds or (expected["error"][0] == "MXNetError" and kinds & {"TypeError", "ValueError"}), got
    else:
        assert comparable(got) == comparable(expected)


@pytest.mark.parametrize("name", [*symbol_cases.CONTROL])
def test_control_flow(name):
    control_flow._counts.clear()
    expected = answers()["control"][name]
    got = symbol_cases.answer(mx, symbol_cases.CONTROL[name])
    if "error" in expected:
        assert "error" in got
    else:
        assert comparable(got, True) == comparable(expected, True)


def recorded_symbols():
    """Every symbol file in the recorded answers."""

    def walk(value, name):
        if isinstance(value, dict):
            if "symbol" in value and name not in DIFFERENT and name not in OTHER_NAMES:
                yield name, value["symbol"]
            for item in value.values():
                yield from walk(item, name)
        elif isinstance(value, list):
            for item in value:
                yield from walk(item, name)

    for part in ("programs", "control", "operators"):
        for name, found in answers()[part].items():
            yield from walk(found.get("value"), name)


def test_files_of_mxnet_are_read_and_written_unchanged():
    count = 0
    for name, text in recorded_symbols():
        found = mx.sym.load_json(text)
        again = found.tojson(remove_amp_cast=False)
        assert comparable({"symbol": again}, True) == comparable({"symbol": text}, True), name
        count += 1
    assert count > 600


@pytest.mark.parametrize("path", sorted(answers()["operators"]))
def test_operator(path):
    expected = dict(answers()["operators"][path])
    kwargs = expected.pop("kwargs")
    got = symbol_cases.operator_answer(mx, path, kwargs)
    if path in OTHER_NAMES:
        assert got != expected
    elif "value" in expected:
        assert comparable(got, True) == comparable(expected, True)


#: Names in MXNet's modules that are no functions for programs.
NO_FUNCTIONS = {"check_call", "_set_np_symbol_class", "_set_symbol_class", "_symbol_creator"}


@pytest.mark.parametrize("group", ["", "contrib", "linalg", "random", "image", "sparse", "op", "_internal"])
def test_every_public_name_is_there_or_left_out_for_a_reason(group):
    module = getattr(mx.sym, group) if group else mx.sym
    for name in answers()["names"][group]:
        if name in NO_FUNCTIONS or hasattr(module, name):
            continue
        assert any(registry.left_out(candidate) for candidate in _candidates(group, name)), name
        with pytest.raises(AttributeError, match="not part of weft"):
            getattr(module, name)


def test_symbol_has_every_method():
    missing = [name for name in answers()["names"]["Symbol"] if not hasattr(mx.sym.Symbol, name)]
    assert missing == ["handle"]  # MXNet's pointer


def test_every_function_has_a_signature_and_a_docstring():
    for name in dir(mx.sym.op):
        function = getattr(mx.sym.op, name)
        if not isinstance(function, SymbolFunction):
            continue
        assert "Parameters" in function.__doc__, name
        assert "name" in inspect.signature(function).parameters, name
