"""Checkpoints go from the real MXNet 1.9.1 to weft and back (tests/tools/record_mxnet_checkpoint.py recorded both)."""

import json
import os

import numpy as np
import pytest
import record_mxnet_checkpoint as record

import weft as mx


@pytest.mark.parametrize("writer", ["mxnet", "weft"])
def test_checkpoint_gives_what_mxnet_computes_with_it(writer):
    prefix = os.path.join(record.FOLDER, writer)
    expected = mx.nd.load(prefix + "-answers.params")
    np.testing.assert_array_equal(record.inputs(mx).data[0].asnumpy(), expected["data"].asnumpy())
    found = record.answers(mx, prefix, record.EPOCH)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name].asnumpy(), value.asnumpy(), rtol=1e-4, atol=1e-5, err_msg=name)


def test_what_mxnet_read_is_what_weft_writes(tmp_path):
    """The files that MXNet read come from this version: weft writes the same bytes today."""
    prefix = os.path.join(record.FOLDER, "weft")
    module = mx.mod.Module.load(prefix, record.EPOCH, load_optimizer_states=True)
    record.bind(mx, module)
    module.init_optimizer(optimizer="sgd", optimizer_params=record.OPTIMIZER)
    module.save_checkpoint(str(tmp_path / "weft"), record.EPOCH, save_optimizer_states=True)
    for ending in ("-symbol.json", f"-{record.EPOCH:04d}.params"):
        with open(prefix + ending, "rb") as file:
            assert (tmp_path / f"weft{ending}").read_bytes() == file.read(), ending
    states = f"-{record.EPOCH:04d}.states"
    assert (tmp_path / f"weft{states}").stat().st_size == os.path.getsize(prefix + states)


def test_symbols_are_the_same_text():
    found = []
    for writer in ("mxnet", "weft"):
        with open(os.path.join(record.FOLDER, f"{writer}-symbol.json"), encoding="utf-8") as file:
            text = file.read()
        parts = json.loads(text)
        # oneDNN's max pooling has a second, hidden output in MXNet: a count that no reader uses.
        del parts["node_row_ptr"]
        found.append((parts, mx.sym.load_json(text).tojson()))
    assert found[0] == found[1]


def test_damaged_checkpoints_are_named(tmp_path):
    prefix = str(tmp_path / "net")
    with pytest.raises(mx.MXNetError, match="net-symbol.json"):
        mx.model.load_checkpoint(prefix, 1)
    mx.sym.Variable("x").save(prefix + "-symbol.json")
    with pytest.raises(mx.MXNetError, match="net-0001.params"):
        mx.model.load_checkpoint(prefix, 1)
    mx.nd.save(prefix + "-0001.params", {"weight": mx.nd.ones((1,))})
    with pytest.raises(mx.MXNetError, match="'weight'.*'arg:NAME'"):
        mx.model.load_checkpoint(prefix, 1)
    mx.nd.save(prefix + "-0002.params", [mx.nd.ones((1,))])
    with pytest.raises(mx.MXNetError, match="without names"):
        mx.model.load_params(prefix, 2)
