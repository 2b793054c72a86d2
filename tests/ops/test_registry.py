"""The declaration scheme: parameter types, attribute records, argument binding, documentation."""

import pickle
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from weft.engine.errors import MXNetError
from weft.ops import registry
from weft.ops.params import REQUIRED, Axis, Bool, Dtype, Enum, Float, Floats, Int, Shape, Shapes, Str, attrs_class
from weft.ops.registry import bind_arguments


@pytest.mark.parametrize(
    ("param", "given", "value", "text"),
    [
        (Int("n"), "3", 3, "3"),
        (Int("n"), 3.0, 3, "3"),
        (Int("n"), np.int64(3), 3, "3"),
        (Int("n", None), "None", None, "None"),
        (Float("x"), "0.5", 0.5, "0.5"),
        (Float("x"), np.float32(0.5), 0.5, "0.5"),
        (Float("x"), "inf", float("inf"), "inf"),
        (Bool("b"), "True", True, "True"),
        (Bool("b"), "0", False, "False"),
        (Bool("b"), 1, True, "True"),
        (Str("s"), "text", "text", "text"),
        (Enum("e", ("a", "b")), "b", "b", "b"),
        (Dtype("d"), "float16", np.dtype("float16"), "float16"),
        (Dtype("d"), np.int8, np.dtype("int8"), "int8"),
        (Dtype("d", None), None, None, "None"),
        (Shape("s"), "(1, 2)", (1, 2), "(1, 2)"),
        (Shape("s"), "[1,2L]", (1, 2), "(1, 2)"),
        (Shape("s"), 4, (4,), "(4,)"),
        (Shape("s"), [np.int64(2), 3], (2, 3), "(2, 3)"),
        (Shape("s"), "()", (), "()"),
        (Shape("s", items_none=True), "(None, 1)", (None, 1), "(None, 1)"),
        (Axis(), "-1", (-1,), "(-1,)"),
        (Axis(), None, None, "None"),
        (Floats("f"), "(0.5, 1)", (0.5, 1.0), "(0.5, 1.0)"),
        (Shapes("s"), [(1,), [2, 3]], ((1,), (2, 3)), "((1,), (2, 3))"),
    ],
)
def test_parameters_take_values_and_mxnets_text(param, given, value, text):
    parsed = param.parse(given)
    assert parsed == value and type(parsed) is type(value)
    assert param.format(parsed) == text
    assert param.parse(text) == parsed


@pytest.mark.parametrize(
    ("param", "given"),
    [
        (Int("n"), "x"),
        (Int("n"), 1.5),
        (Int("n"), None),
        (Int("n", low=1), 0),
        (Int("n", high=3), 4),
        (Float("x"), "half"),
        (Float("x", low=0.0), -1),
        (Bool("b"), "maybe"),
        (Bool("b"), 2),
        (Enum("e", ("a",)), "b"),
        (Enum("e", ("a",)), None),
        (Dtype("d"), "float13"),
        (Dtype("d"), np.complex64),
        (Shape("s"), "(1"),
        (Shape("s"), 1.5),
        (Shape("s", length=2), (1,)),
        (Shape("s", low=1), (0,)),
        (Shape("s"), (1, None)),
        (Floats("f"), "a"),
    ],
)
def test_wrong_values_name_parameter_value_and_expectation(param, given):
    with pytest.raises((TypeError, ValueError)) as caught:
        param.parse(given)
    message = str(caught.value)
    assert message.startswith(f"{param.name}=") and "expected" in message


def test_attribute_records_are_immutable_values():
    make = attrs_class((Int("k", 1), Float("lr", 0.1, dynamic=True)))
    first, second = make({"k": 1, "lr": 0.1}), make({"k": 1, "lr": 0.2})
    assert first == make({"k": 1, "lr": 0.1}) and hash(first) == hash(make({"k": 1, "lr": 0.1}))
    assert first != second and first.cache_key == second.cache_key and second.scalars == (0.2,)
    assert first.with_(k=2).k == 2 and first.k == 1
    assert first.with_(train=True).cache_key != first.cache_key
    with pytest.raises(AttributeError, match="immutable"):
        first.k = 3
    with pytest.raises(AttributeError, match="no parameter 'j'"):
        first.with_(j=3)
    assert pickle.loads(pickle.dumps(first)) == first


def test_equal_parameter_lists_share_a_class():
    assert attrs_class((Int("k", 1),)) is attrs_class((Int("k", 1),))
    assert attrs_class((Int("k", 1),)) is not attrs_class((Int("k", 2),))


def test_arguments_bind_by_position_and_name():
    op = registry.get("clip")
    for args, kwargs in ((("x", -1, 1), {}), (("x",), {"a_min": "-1", "a_max": 1}), ((), {"data": "x", "a_min": -1, "a_max": 1})):
        inputs, attrs, out, name = bind_arguments(op, args, kwargs)
        assert inputs == ["x"] and (attrs.a_min, attrs.a_max) == (-1.0, 1.0) and out is None and name is None
    assert bind_arguments(op, ("x", 0, 1, "where", "me"), {})[2:] == ("where", "me")
    assert bind_arguments(op, ("x", 0, 1), {"out": "where", "name": "me"})[2:] == ("where", "me")


def test_inputs_come_before_parameters():
    inputs, attrs, _, _ = bind_arguments(registry.get("random_pdf_normal"), ("s", "m", "d", True), {})
    assert inputs == ["s", "m", "d"] and attrs.is_log is True


def test_variadic_arguments():
    op = registry.get("add_n")
    for args, kwargs in ((("a", "b"), {}), ((["a", "b"],), {}), ((), {"args": ["a", "b"]}), (("a", "b"), {"num_args": 2})):
        inputs, attrs, _, _ = bind_arguments(op, args, kwargs)
        assert inputs == ["a", "b"] and attrs.num_args == 2 and op.input_names(attrs) == ("arg0", "arg1")
    with pytest.raises(ValueError, match="num_args=3, but 2 inputs"):
        bind_arguments(op, ("a", "b"), {"num_args": 3})
    with pytest.raises(TypeError, match="input 1 is None"):
        bind_arguments(op, ("a", None), {})


@pytest.mark.parametrize(
    ("name", "args", "kwargs", "message"),
    [
        ("clip", ("x", 0, 1), {"amin": 2}, "unknown argument 'amin'; did you mean a_min"),
        ("clip", ("x", 0), {}, "missing required parameter 'a_max'"),
        ("clip", ("x", 0, "one"), {}, "clip: a_max='one': expected float"),
        ("clip", ("x", 0, 1), {"a_max": 1}, "'a_max' given by position and by name"),
        ("exp", ("x", "y"), {"out": "z"}, "'out' given by position and by name"),
        ("clip", (), {"a_min": 0, "a_max": 1}, "missing input 'data'"),
        ("broadcast_add", ("x",), {}, "missing input 'rhs'"),
        ("sum", ("x",) * 9, {}, "takes at most 4 arguments"),
        ("topk", ("x",), {"ret_typ": "all"}, "ret_typ='all': expected one of 'value', 'indices'"),
    ],
)
def test_binding_errors(name, args, kwargs, message):
    with pytest.raises(MXNetError, match=message) as caught:
        bind_arguments(registry.get(name), args, kwargs)
    assert isinstance(caught.value, (TypeError, ValueError))


def test_shape_and_dtype_errors_name_operator_and_inputs():
    op = registry.get("broadcast_add")
    with pytest.raises(ValueError, match=r"broadcast_add: operands could not be broadcast.*lhs=\(2, 3\), rhs=\(3, 2\)"):
        op.infer_shapes(op.attrs(), [(2, 3), (3, 2)])
    with pytest.raises(MXNetError, match="broadcast_add: input 1 has dtype int32, expected float32"):
        op.infer_types(op.attrs(), [np.dtype("float32"), np.dtype("int32")])
    with pytest.raises(MXNetError, match="axis=3 is out of bounds"):
        registry.get("sum").infer_shapes(registry.get("sum").attrs(axis=3), [(2, 3)])


def test_lookup_by_alias_and_near_miss():
    assert registry.get("ElementWiseSum") is registry.get("add_n")
    assert pickle.loads(pickle.dumps(registry.get("add_n"))) is registry.get("add_n")
    assert registry.find("nothing_like_it") is None
    with pytest.raises(MXNetError, match="did you mean.*broadcast_add"):
        registry.get("broadcast_ad")
    with pytest.raises(MXNetError, match="not part of weft: works on sparse"):
        registry.get("_contrib_dgl_subgraph")


def test_signature_and_docstring():
    op = registry.get("topk")
    assert list(op.signature().parameters) == ["data", "axis", "k", "ret_typ", "is_ascend", "dtype", "out", "name"]
    assert registry.get("clip").signature().parameters["a_min"].default is not REQUIRED
    text = op.docstring()
    for heading in ("Parameters\n----------", "Returns\n-------", "Notes\n-----", "Examples\n--------"):
        assert heading in text
    assert "k : int, default 1\n    How many" in text and "_npx_topk" in text


def test_declaring_needs_a_kernel_and_a_new_name():
    with pytest.raises(ValueError, match="without any kernel"):
        registry.operator("_test_no_kernel", doc="Nothing.")
    with pytest.raises(ValueError, match="declared twice"):
        registry.operator("sum", numpy=lambda attrs, ins, outs: None, doc="Again.")


def test_attributes_move_between_operators_by_name():
    attrs = registry.get("sum").attrs(axis=1, keepdims=True)
    moved = registry.get("_backward_sum").attrs_from(attrs)
    assert moved.axis == (1,) and moved.keepdims
    assert registry.get("norm").attrs_from(attrs).ord == 2


def run_apart(program):
    """Run a program in a new interpreter, where no operator has been looked up yet."""
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_threads_that_look_operators_up_at_once_find_them():
    run_apart(
        """
        import threading
        from weft.ops import registry
        found, start = [], threading.Barrier(8)
        def look_up():
            start.wait()
            found.append(registry.find("_contrib_hawkesll"))
        threads = [threading.Thread(target=look_up) for _ in range(8)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert None not in found, found
        """
    )


def test_operators_are_complete_after_an_import_that_failed():
    run_apart(
        """
        import subprocess, sys
        from weft.ops import registry
        real, calls = registry._register, []
        def failing(op):                      # in the middle of a module, after some of its operators
            calls.append(op)
            if len(calls) == 100:
                raise OSError("no such disk")
            real(op)
        registry._register = failing
        for _ in range(2):
            try:
                registry.find("no such operator")
            except OSError as error:
                assert "disk" in str(error)
            else:
                raise AssertionError("the import's error is lost")
            calls.clear()
        registry._register = real
        failed = registry.all_names()
        assert registry.find("_contrib_hawkesll") is not None
        whole = subprocess.run([sys.executable, "-c", "from weft.ops import registry; print(len(registry.all_names()))"],
                               capture_output=True, text=True, check=True)
        assert len(failed) == int(whole.stdout), (len(failed), whole.stdout)
        """
    )
