"""Symbol files: what is wrong in one is said with the node it is in, whatever it is; files are written whole or not at all."""

import json
import os
import pickle
import random

import pytest

import weft as mx
from weft.frontend.graph.ir import Node
from weft.frontend.symbol.symbol import Symbol

X = {"op": "null", "name": "x", "inputs": []}


def relu(inputs=([0, 0, 0],), name="act", **more):
    return {"op": "Activation", "name": name, "attrs": {"act_type": "relu"}, "inputs": list(inputs), **more}


def text(nodes, heads=((1, 0, 0),), **more):
    return json.dumps({"nodes": nodes, "arg_nodes": [0], "heads": list(heads), "attrs": {"mxnet_version": ["int", 10901]}, **more})


BAD = {
    "no JSON": ("{", "not valid JSON"),
    "no UTF-8": (b"\xff\xfe{}", "not valid JSON"),
    "not an object": ("[1, 2]", "expected a JSON object"),
    "a number": ("7", "expected a JSON object"),
    "no nodes": ('{"heads": [[0, 0]]}', "no list 'nodes'"),
    "nodes are no list": ('{"nodes": {}, "heads": []}', "'nodes' is {}, expected a list"),
    "node is no object": (text([X, 3]), "node 1 is 3"),
    "no name": (text([X, {"op": "exp", "inputs": []}]), "node 1 must have 'name' and 'op'"),
    "name is a number": (text([X, {"op": "exp", "name": 3, "inputs": []}]), "got name 3"),
    "no inputs": (text([X, {"op": "exp", "name": "e"}]), "node 1 'e' has no list 'inputs'"),
    "inputs are text": (text([X, {"op": "exp", "name": "e", "inputs": "abc"}]), "node 1 'e': 'inputs' is 'abc'"),
    "input is no triple": (text([X, relu([[0]])]), "node 1 'act': input 0 is [0]"),
    "input of floats": (text([X, relu([[0.0, 0, 0]])]), "node 1 'act': input 0 is [0.0, 0, 0]"),
    "input of truth values": (text([X, relu([[False, 0, 0]])]), "node 1 'act': input 0 is [False, 0, 0]"),
    "dangling": (text([X, relu([[9, 0, 0]])]), "node 1 'act': input 0 is node 9, which does not come before it"),
    "negative": (text([X, relu([[-1, 0, 0]])]), "input 0 is node -1"),
    "huge id": (text([X, relu([[10**30, 0, 0]])]), "does not come before it"),
    "forward": (text([X, relu([[2, 0, 0]]), relu(name="later")]), "node 1 'act': input 0 is node 2"),
    "itself": (text([X, relu([[1, 0, 0]])]), "a cycle"),
    "cycle": (text([relu([[1, 0, 0]], "a"), relu([[0, 0, 0]], "b")]), "node 0 'a': input 0 is node 1"),
    "output that is not there": (text([X, relu([[0, 5, 0]])]), "is output 5 of node 0 'x', which has 1"),
    "negative output": (text([X, relu([[0, -1, 0]])]), "is output -1 of node 0"),
    "too few inputs": (text([X, relu([])]), "node 1 'act' (Activation) has 0 inputs, expected 1 (data)"),
    "too many inputs": (text([X, relu([[0, 0], [0, 0]])]), "has 2 inputs, expected 1"),
    "variable with inputs": (text([X, {"op": "null", "name": "v", "inputs": [[0, 0]]}]), "node 1 'v' is a variable"),
    "no heads": (text([X], []), "no heads"),
    "dangling head": (text([X], [[4, 0, 0]]), "head 0 is node 4"),
    "heads are numbers": (text([X], [0]), "head 0 is 0"),
    "unknown operator": (
        text([X, {"op": "Convolutoin", "name": "c", "inputs": []}]),
        "node 1 'c' (Convolutoin): no operator named 'Convolutoin'",
    ),
    "left out": (text([X, {"op": "_npi_add", "name": "c", "inputs": []}]), "node 1 'c' (_npi_add)"),
    "unknown attribute": (
        text([X, relu(attrs={"act_type": "relu", "alpha": "1"})]),
        "node 1 'act' (Activation): Activation: unknown argument 'alpha'",
    ),
    "wrong attribute": (text([X, relu(attrs={"act_type": "soft"})]), "node 1 'act' (Activation): Activation: act_type='soft'"),
    "attribute is a number": (text([X, relu(attrs={"act_type": 3})]), "node 1 'act': attribute 'act_type' is 3, expected text"),
    "attributes are a list": (text([X, relu(attrs=[1])]), "node 1 'act': 'attrs' is [1], expected an object"),
    "missing attribute": (text([X, relu(attrs={})]), "missing required parameter 'act_type'"),
    "deep attribute": (
        text([X, {"op": "Reshape", "name": "r", "attrs": {"shape": "(" * 5000}, "inputs": [[0, 0]]}]),
        "node 1 'r' (Reshape)",
    ),
    "long number": (
        text([X, {"op": "Reshape", "name": "r", "attrs": {"shape": "(" + "9" * 10000 + ",)"}, "inputs": [[0, 0]]}]),
        "node 1 'r' (Reshape)",
    ),
    "huge count": (
        text([X, {"op": "Concat", "name": "c", "attrs": {"num_args": "1000000000000"}, "inputs": [[0, 0]]}]),
        "num_args=1000000000000, but 1 inputs",
    ),
    "huge upsampling": (
        text(
            [
                X,
                {
                    "op": "UpSampling",
                    "name": "u",
                    "attrs": {"num_args": "99999999999", "scale": "2", "sample_type": "nearest"},
                    "inputs": [[0, 0]],
                },
            ]
        ),
        "num_args=99999999999, but 1 inputs",
    ),
    "huge outputs": (
        text([X, {"op": "SliceChannel", "name": "s", "attrs": {"num_outputs": "1000000000000"}, "inputs": [[0, 0]]}]),
        "node 1 's' (SliceChannel) has 1000000000000 outputs",
    ),
    "control dependency": (text([X, relu(control_deps=[5])]), "node 1 'act': control dependency is node 5"),
    "control text": (text([X, relu(control_deps=["x"])]), "control dependency is node 'x'"),
    "version": (text([X, relu()]).replace('["int", 10901]', '"new"'), "mxnet_version is 'new'"),
    "foreach without graphs": (
        text(
            [
                X,
                {
                    "op": "_foreach",
                    "name": "f",
                    "attrs": {"num_outputs": "1", "num_out_data": "1", "in_state_locs": "()", "in_data_locs": "(0,)", "remain_locs": "()"},
                    "inputs": [[0, 0]],
                },
            ]
        ),
        "node 1 'f' (_foreach)",
    ),
    "custom without name": (text([X, {"op": "Custom", "name": "c", "inputs": [[0, 0]]}]), "op_type is missing"),
    "custom that is unknown": (
        text([X, {"op": "Custom", "name": "c", "attrs": {"op_type": "no_such"}, "inputs": [[0, 0]]}]),
        "node 1 'c' (Custom): Custom: no operator registered as 'no_such'",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_is_said_with_its_node(name, tmp_path):
    data, words = BAD[name]
    path = tmp_path / "net-symbol.json"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    with pytest.raises(mx.MXNetError) as caught:
        mx.sym.load(str(path))
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert len(str(caught.value)) < 1000


def nested(depth):
    graph = {"nodes": [X], "arg_nodes": [0], "heads": [[0, 0, 0]]}
    numbers = {"num_outputs": "1", "num_out_data": "1", "in_state_locs": "()", "in_data_locs": "(0,)", "remain_locs": "()"}
    for _ in range(depth):
        loop = {"op": "_foreach", "name": "f", "attrs": numbers, "inputs": [[0, 0, 0]], "subgraphs": [graph]}
        graph = {"nodes": [X, loop], "arg_nodes": [0], "heads": [[1, 0, 0]]}
    return {**graph, "attrs": {"mxnet_version": ["int", 10901]}}


def test_deeply_nested_graphs_are_refused():
    assert mx.sym.load_json(json.dumps(nested(5))).list_arguments() == ["x"]
    with pytest.raises(mx.MXNetError, match="nested more than"):
        mx.sym.load_json(json.dumps(nested(40)))


@pytest.mark.parametrize("opening", ["[", '{"nodes":['])
def test_deeply_nested_json_is_refused(opening):
    with pytest.raises(mx.MXNetError, match="nested too deeply|not valid JSON"):
        mx.sym.load_json(opening * 200000)


def test_a_chain_of_100000_nodes_goes_there_and_back():
    entry = (Node(None, None, "x"), 0)
    exp = mx.sym.exp(mx.sym.Variable("x"), name="e")._entries[0][0]
    for number in range(100000):
        entry = (Node(exp.op, exp.attrs, f"e{number}", [entry]), 0)
    net = Symbol([entry])
    again = mx.sym.load_json(net.tojson())
    assert again.list_arguments() == ["x"]
    assert len(again.get_internals()) == 100001
    assert again.list_outputs() == ["e99999_output"]
    assert again(x=mx.sym.Variable("y")).list_arguments() == ["y"]
    assert again.name == pickle.loads(pickle.dumps(net)).name


def test_names_may_be_anything():
    odd = mx.sym.Variable('a"b\\c\n\t\x01é')
    again = mx.sym.load_json(mx.sym.exp(odd, name="日本").tojson())
    assert again.list_arguments() == odd.list_arguments()
    assert again.name == "日本"


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "net-symbol.json"
    net = mx.sym.FullyConnected(mx.sym.Variable("x"), num_hidden=3, name="fc")
    net.save(str(path))
    assert path.read_text() == net.tojson()
    assert mx.sym.load(str(path)).list_arguments() == net.list_arguments()
    with pytest.raises(mx.MXNetError, match="cannot write symbol file"):
        net.save(str(tmp_path / "no" / "such" / "folder"))
    # What stands there stays when the new symbol cannot be written.
    net._entries[0][0].annotations = {"broken": 3}
    with pytest.raises((TypeError, AttributeError)):
        net.save(str(path))
    assert mx.sym.load(str(path)).name == "fc"
    assert os.listdir(tmp_path) == ["net-symbol.json"]
    with pytest.raises(mx.MXNetError, match="cannot read symbol file"):
        mx.sym.load(str(tmp_path / "none"))
    for wrong in (3, None):
        with pytest.raises(TypeError):
            mx.sym.load(wrong)
        with pytest.raises(TypeError):
            mx.sym.load_json(wrong)
        with pytest.raises(TypeError):
            net.save(wrong)


def mutated(value, rng, values):
    """Return JSON with about one part exchanged for something else."""
    if rng.random() < 0.03:
        return rng.choice(values)
    if isinstance(value, dict):
        items = [(key, mutated(item, rng, values)) for key, item in value.items() if rng.random() > 0.01]
        return dict(items)
    if isinstance(value, list):
        made = [mutated(item, rng, values) for item in value if rng.random() > 0.01]
        return made + made[:1] if rng.random() < 0.01 else made
    return value


def test_damaged_files_raise_nothing_else():
    x, h = mx.sym.var("x"), mx.sym.var("h")
    outputs, _ = mx.sym.contrib.foreach(lambda d, t: (mx.sym.FullyConnected(d, num_hidden=2, name="fc"), t + 1), x, h)
    net = mx.sym.BatchNorm(mx.sym.Concat(outputs, mx.sym.Reshape(x, shape=(2, -1)), dim=1), name="bn")
    whole = json.loads(mx.sym.Group([net, mx.sym.split(x, num_outputs=3)]).tojson())
    rng = random.Random(11)
    values = [
        None,
        True,
        -1,
        0,
        1,
        3,
        10**20,
        1.5,
        "",
        "x",
        "null",
        "(1, 2)",
        "(",
        "None",
        "-5",
        "1e400",
        "nan",
        [],
        {},
        [0, 0, 0],
        [[0]],
        {"a": "b"},
    ]
    refused = 0
    for _ in range(1500):
        damaged = json.dumps(mutated(whole, rng, values))
        try:
            found = mx.sym.load_json(damaged)
        except mx.MXNetError:
            refused += 1
            continue
        found.list_arguments()
        found.list_outputs()
        found.tojson()
        try:
            found.infer_shape_partial(x=(3, 4))
        except mx.MXNetError:
            continue
    assert 300 < refused < 1500
