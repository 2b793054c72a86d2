"""Tables and drawings of networks beyond MXNet's answers."""

import sys
import types

import pytest

import weft as mx


def net():
    data = mx.sym.Variable("data")
    return mx.sym.FullyConnected(mx.sym.Variable("x:1") + data, num_hidden=3, name="fc")


def parameters(symbol, capsys, **shapes):
    mx.viz.print_summary(symbol, shapes or None)
    return int(next(line for line in capsys.readouterr().out.splitlines() if line.startswith("Total")).split(":")[1])


def test_all_trained_parameters_count(capsys):
    data = mx.sym.Variable("data")
    assert parameters(mx.sym.Deconvolution(data, kernel=(2, 2), num_filter=3, no_bias=True), capsys, data=(1, 4, 5, 5)) == 4 * 3 * 4
    assert parameters(mx.sym.LayerNorm(data), capsys, data=(2, 7)) == 14
    assert parameters(mx.sym.BatchNorm(data), capsys, data=(2, 7)) == 14  # not the moving statistics
    rnn = mx.sym.RNN(data, state_size=2, num_layers=1, mode="rnn_tanh")
    assert parameters(rnn, capsys, data=(5, 1, 3)) == 2 * (3 + 2 + 2)
    assert parameters(mx.sym.SoftmaxOutput(data), capsys, data=(2, 7)) == 0


def test_what_shapes_do_not_say_counts_as_nothing(capsys):
    assert parameters(mx.sym.FullyConnected(mx.sym.Variable("data"), num_hidden=3), capsys) == 3  # the bias is known


def test_without_graphviz_there_is_the_text(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "graphviz", None)
    dot = mx.viz.plot_network(net(), title="a plot")
    assert '"x:1" [label="x:1"' in dot.source and dot.source.startswith('digraph "a plot" {') and str(dot) == dot.source
    path = tmp_path / "net.gv"
    assert dot.save(str(path)) == str(path) and path.read_text() == dot.source
    for draw in (dot.render, dot.view, dot.pipe):
        with pytest.raises(ImportError, match="pip install graphviz"):
            draw()


def test_graphviz_is_used_where_it_is(monkeypatch):
    class Digraph:
        def __init__(self, name, format):
            self.calls = [(name, format)]

        def node(self, name, label, **attributes):
            self.calls.append(name)

        def edge(self, tail_name, head_name, label, **attributes):
            self.calls.append((tail_name, head_name))

    module = types.ModuleType("graphviz")
    module.Digraph = Digraph
    monkeypatch.setitem(sys.modules, "graphviz", module)
    drawn = mx.viz.plot_network(net(), save_format="svg")
    assert drawn.calls[0] == ("plot", "svg") and "fc" in drawn.calls and any(call[0] == "fc" for call in drawn.calls[1:])


def test_repeated_names_are_told():
    x = mx.sym.Variable("x")
    with pytest.warns(RuntimeWarning, match="have the names x"):
        mx.viz.plot_network(x + mx.sym.Variable("x"))


def test_arguments_are_checked():
    for function in (mx.viz.plot_network, mx.viz.print_summary):
        with pytest.raises(TypeError, match="symbol must be a Symbol, got NDArray"):
            function(mx.nd.ones((2,)))
    with pytest.raises((mx.MXNetError, ValueError), match="data"):
        mx.viz.print_summary(net(), {"dat": (2, 3)})
