"""Bound graphs some of whose arrays have no elements run node by node."""

import pytest

import weft as mx


def test_training_on_a_batch_of_no_examples():
    net = mx.sym.FullyConnected(mx.sym.exp(mx.sym.Variable("x")), num_hidden=3, name="fc")
    args = {"x": mx.nd.zeros((0, 4)), "fc_weight": mx.nd.ones((3, 4)), "fc_bias": mx.nd.ones((3,))}
    grads = {name: mx.nd.ones(array.shape) for name, array in args.items()}
    executor = net.bind(mx.cpu(), args, grads)
    assert executor.forward(is_train=True)[0].shape == (0, 3)
    executor.backward([mx.nd.zeros((0, 3))])
    assert grads["x"].shape == (0, 4)
    assert (grads["fc_weight"].asnumpy() == 0).all() and (grads["fc_bias"].asnumpy() == 0).all()
    assert "no elements" in executor.explain()


def test_shapes_of_no_elements_are_known_under_np_shape_only():
    net = mx.sym.FullyConnected(mx.sym.Variable("x"), num_hidden=3, name="fc")
    with mx.np_shape():
        executor = net.simple_bind(mx.cpu(), x=(0, 4))
        assert executor.arg_dict["fc_weight"].shape == (3, 4) and executor.outputs[0].shape == (0, 3)
    with pytest.raises(mx.base.MXNetError, match="cannot be inferred"):
        net.simple_bind(mx.cpu(), x=(0, 4))


def test_a_wrong_shape_behind_an_empty_array_names_the_node():
    net = mx.sym.elemwise_add(mx.sym.slice(mx.sym.Variable("x"), begin=(0,), end=(0,)), mx.sym.Variable("y"), name="sum")
    with pytest.raises(mx.base.MXNetError, match="sum"):
        net.bind(mx.cpu(), {"x": mx.nd.ones((2, 3)), "y": mx.nd.ones((0, 4))})
