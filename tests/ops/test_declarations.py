"""What holds for every declared operator: documentation, JSON round trip, MXNet's argument names, examples."""

import doctest
import pathlib
import re

import numpy as np
import pytest

import weft
from weft.ops import coverage, registry
from weft.ops.params import Axis, Bool, Dtype, Enum, Float, Floats, Int, Shape, Shapes, Str

OPERATORS = registry.all_operators()

every_operator = pytest.mark.parametrize("op", OPERATORS, ids=[op.name for op in OPERATORS])


def sample_values(param):
    """Return a few canonical values a parameter takes."""
    values = [] if param.required else [param.default]
    if isinstance(param, Enum):
        values += param.choices
    elif isinstance(param, Dtype):
        values += [np.dtype(name) for name in param.choices]
    elif isinstance(param, Bool):
        values += [True, False]
    elif isinstance(param, (Int, Float)):
        kind = int if isinstance(param, Int) else float
        low = -3 if param.low is None else param.low
        high = low + 7 if param.high is None else param.high
        values += [kind(low), kind(high)]
    elif isinstance(param, Shape):
        low = 0 if param.low is None else param.low
        values.append(tuple(low + i for i in range(2 if param.length is None else param.length)))
    elif isinstance(param, Axis):
        values += [(1,), (0, -1)]
    elif isinstance(param, Floats):
        values.append((0.5, 1.0, 2.0))
    elif isinstance(param, Shapes):
        values.append(((1, 2), (3,)))
    elif isinstance(param, Str):
        values.append("text")
    return values


@every_operator
def test_documented(op):
    assert op.doc.strip().endswith("."), "the description ends with a full stop"
    for param in op.params:
        assert param.doc or param.name in op.hidden_params, f"parameter {param.name} has no documentation"
    text = op.docstring()
    for name in op.argument_names():
        assert re.search(rf"^\*?{name} : ", text, re.M), f"{name} is not in the docstring"


def takes_objects(op):
    """Whether parameters are graphs or Python objects, which JSON has beside the attributes (tests/symbol/test_control_flow.py)."""
    return any(param.hidden for param in op.params)


@every_operator
def test_attributes_survive_json(op):
    if takes_objects(op):
        pytest.skip("has parameters that are no text")
    required = {param.name: sample_values(param)[0] for param in op.params if param.required}
    for param in op.params:
        for value in sample_values(param):
            attrs = op.attrs({**required, param.name: value})
            assert getattr(attrs, param.name) == value
            for defaults in (False, True):
                text = op.format_attrs(attrs, defaults=defaults)
                assert all(isinstance(item, str) for item in text.values())
                assert op.attrs(text) == attrs


@every_operator
def test_gradient_saves_something_known(op):
    assert set(op.saves) <= set("io")
    if op.gradient is None or op.gradient is registry.zero_gradient:
        assert op.saves == ""


# In the checkout: the installed package has no docs.
REFERENCE = pathlib.Path(__file__).parents[2] / "docs" / "data" / "mxnet-1.9.1-operators.jsonl"
MXNET = {name: record for record in coverage.reference(REFERENCE) for name in record["names"]}

# Parameters that MXNet takes but does not list.
ADDED = {
    "_linspace": {"num", "endpoint"},
    "_set_value": {"shape"},
    "_linalg_potrf": {"lower"},
    "_linalg_potri": {"lower"},
    "_backward_linalg_potrf": {"lower"},
    "_backward_linalg_potri": {"lower"},
}
# Defaults that MXNet writes as a code of its own: -1 is "no dtype".
CODED = {("_zeros_without_dtype", "dtype")}


@pytest.mark.parametrize("op", [op for op in OPERATORS if op.name in MXNET], ids=lambda op: op.name)
def test_arguments_are_mxnets(op):
    record = MXNET[op.name]
    if "inputs" not in record and "params" not in record:
        pytest.skip("MXNet lists no arguments")
    if takes_objects(op):
        pytest.skip("is called by functions of Python only")
    inputs = [name.lstrip("*") for name in record.get("inputs", [])]
    ours = [name.lstrip("*") for name in op.inputs]
    assert inputs in (ours, [name for name in ours if name not in op.aux])
    expected = [name for name, _ in record.get("params", []) if name not in op.hidden_params]
    actual = [param.name for param in op.params if param.name not in op.hidden_params]
    extra = ADDED.get(op.name, set())
    assert [name for name in actual if name not in extra] == expected
    for name, kind in record.get("params", []):
        param = op.param_by_name[name]
        assert param.required <= (kind.endswith("required") or "default" not in kind), f"{name}: {kind}"
        default = re.search(r"default='?([^']*)'?$", kind)
        if default and default[1] not in ("None", "[]", "") and (op.name, name) not in CODED:
            text = default[1].replace("[", "(").replace("]", ")")
            value = param.parse(text)
            assert param.default == pytest.approx(value, rel=1e-6) if isinstance(value, float) else param.default == value


def test_every_name_of_a_declared_operator_is_declared():
    partial = [entry for entry in coverage.compare(REFERENCE) if entry.operator is not None and entry.missing]
    assert partial == []


def test_coverage_page():
    page = coverage.table(coverage.compare(REFERENCE))
    assert "| `broadcast_add` | `_sparse_broadcast_add`" in page
    assert "| done |" in page and "## Missing" in page and "## Left out on purpose" in page


@pytest.mark.parametrize("op", [op for op in OPERATORS if op.examples], ids=lambda op: op.name)
def test_examples(op):
    parsed = doctest.DocTestParser().get_doctest(op.docstring(), {"weft": weft}, op.name, None, 0)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    runner.run(parsed)
    assert runner.failures == 0 and runner.tries > 0
