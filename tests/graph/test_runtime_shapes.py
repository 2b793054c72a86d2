"""Bound graphs whose shapes come at run time: forward node by node, gradients from the tape."""

import numpy as np
import pytest

import weft as mx

DATA = np.arange(1, 10, dtype="float32").reshape(3, 3)


def masked():
    return mx.sym.contrib.boolean_mask(mx.sym.var("data"), mx.sym.var("mask"), name="chosen")


def bound(symbol, mask=(0, 1, 1), grad_req="write", fill=7.0):
    args = {"data": mx.nd.array(DATA), "mask": mx.nd.array(mask)}
    grads = {name: mx.nd.full(array.shape, fill) for name, array in args.items()}
    return symbol.bind(mx.cpu(), args, grads, grad_req)


def test_all_but_the_extent_that_the_mask_decides_on_is_known():
    assert masked().infer_shape_partial(data=(3, 3), mask=(3,)) == ([(3, 3), (3,)], [(0, 3)], [])
    assert mx.sym.sum(masked()).infer_shape(data=(3, 3))[:2] == ([(3, 3), (3,)], [(1,)])
    with pytest.raises(mx.MXNetError, match="index"):
        masked().infer_shape(data=(3, 3), mask=(2,))


@pytest.mark.parametrize(("grad_req", "before"), [("write", 0), ("add", 7)])
def test_gradient(grad_req, before):
    executor = bound(masked(), grad_req=grad_req)
    for _ in range(2):
        (result,) = executor.forward(is_train=True)
        assert result.asnumpy().tolist() == DATA[1:].tolist()
    executor.backward(mx.nd.full((2, 3), 2))
    assert executor.grad_dict["data"].asnumpy().tolist() == (np.float32([[0], [2], [2]]) + np.full((3, 3), before)).tolist()
    assert executor.grad_dict["mask"].asnumpy().tolist() == [before] * 3


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_what_follows_the_mask_gets_the_gradient_of_imperative_code(axis):
    def function(F, data, mask):
        chosen = F.contrib.boolean_mask(data, mask, axis=axis)
        return F.sum(F.exp(chosen * 0.1) * chosen) + F.sum(data * data)

    executor = bound(function(mx.sym, mx.sym.var("data"), mx.sym.var("mask")))
    executor.forward(is_train=True)
    executor.backward(mx.nd.ones((1,)))
    x = mx.nd.array(DATA)
    x.attach_grad()
    with mx.autograd.record():
        y = function(mx.nd, x, mx.nd.array([0, 1, 1]))
    y.backward()
    np.testing.assert_allclose(executor.outputs[0].asnumpy(), y.asnumpy(), rtol=1e-6)
    np.testing.assert_allclose(executor.grad_dict["data"].asnumpy(), x.grad.asnumpy(), rtol=1e-6)


def test_the_shape_follows_the_values():
    executor = masked().simple_bind(mx.cpu(), data=(3, 3), mask=(3,))
    for mask in ([1, 0, 0], [1, 1, 1], [0, 0, 0], [0, 0, 1]):
        (result,) = executor.forward(is_train=True, data=mx.nd.array(DATA), mask=mx.nd.array(mask))
        executor.backward(mx.nd.ones(result.shape))
        assert result.shape == (sum(mask), 3)
        assert executor.grad_dict["data"].asnumpy().tolist() == np.repeat(np.float32(mask)[:, None], 3, 1).tolist()


def test_head_gradients_are_checked():
    chosen = masked()
    executor = bound(mx.sym.Group([chosen, mx.sym.make_loss(mx.sym.sum(chosen.get_internals()["data"]))]))
    executor.forward(is_train=True)
    with pytest.raises(mx.MXNetError, match="'chosen_output' is no loss"):
        executor.backward()
    with pytest.raises(mx.MXNetError, match="'chosen_output' has shape .3, 3., the output .2, 3."):
        executor.backward([mx.nd.ones((3, 3)), None])
    executor.backward([mx.nd.ones((2, 3)), None])
    assert executor.grad_dict["data"].asnumpy()[:, 0].tolist() == [1, 2, 2]


def test_states_and_monitors():
    net = mx.sym.make_loss(mx.sym.BatchNorm(masked(), name="norm", fix_gamma=False, eps=1e-3, momentum=0.5) ** 2)
    executor = net.simple_bind(mx.cpu(), data=(3, 3), mask=(3,))
    executor.arg_dict["data"][:], executor.arg_dict["mask"][:] = DATA, [1, 1, 0]
    seen = []
    executor.set_monitor_callback(lambda name, array: seen.append((name, array.shape)), monitor_all=True)
    executor.forward(is_train=True)
    executor.backward()
    assert ("chosen_output", (2, 3)) in seen and ("norm_data", (2, 3)) in seen
    assert executor.aux_dict["norm_moving_mean"].asnumpy().tolist() == (DATA[:2].mean(0) / 2).tolist()


def test_module_trains_behind_a_mask():
    net = mx.sym.make_loss(mx.sym.sum(mx.sym.FullyConnected(masked(), num_hidden=2, no_bias=True, name="dense")))
    module = mx.mod.Module(net, data_names=["data", "mask"], label_names=None)
    module.bind([("data", (3, 3)), ("mask", (3,))])
    module.init_params(mx.init.One())
    module.init_optimizer(optimizer_params={"learning_rate": 1.0, "rescale_grad": 1.0})
    module.forward_backward(mx.io.DataBatch([mx.nd.array(DATA), mx.nd.array([0, 1, 1])]))
    module.update()
    assert module.get_params()[0]["dense_weight"].asnumpy().tolist() == (1 - np.tile(DATA[1:].sum(0), (2, 1))).tolist()


def test_a_mask_inside_a_loop_is_refused_by_name():
    def body(row, state):
        return mx.sym.contrib.boolean_mask(row, mx.sym.var("mask")), state

    rows, _ = mx.sym.contrib.foreach(body, mx.sym.var("data"), mx.sym.zeros((1,)))
    with pytest.raises(mx.MXNetError, match="foreach.*cannot be told from the inputs"):
        rows.bind(mx.cpu(), {"data": mx.nd.array(DATA), "mask": mx.nd.array([0, 1, 1])})
