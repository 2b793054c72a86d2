"""What editors are told of the operators is what they are."""

import ast
import importlib.util
import pathlib

import weft as mx

TOOL = pathlib.Path(__file__).resolve().parent.parent / "tools" / "operator_stubs.py"


def tool():
    spec = importlib.util.spec_from_file_location("operator_stubs", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_file_is_current():
    found = tool()
    assert found.TARGET.read_text(encoding="utf-8") == found.text(), "run python tools/operator_stubs.py"


def test_every_function_is_there():
    functions = {node.name: node for node in ast.parse(tool().text()).body if isinstance(node, ast.FunctionDef)}
    assert {"exp", "Convolution", "FullyConnected", "sgd_mom_update", "concat"} <= functions.keys()
    for name, node in functions.items():
        assert callable(getattr(mx.nd, name)) and ast.get_docstring(node), name
    assert [argument.arg for argument in functions["sgd_update"].args.args][:3] == ["weight", "grad", "lr"]
