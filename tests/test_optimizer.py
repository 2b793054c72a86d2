"""Optimizers beyond their trajectories: files of states, hostile ones among them, and what MXNet gets wrong."""

import os
import pickle
import pickletools

import numpy as np
import pytest
import record_mxnet_states as recorded

import weft as mx
from weft.optimizer.states import dump_states, load_states


@pytest.mark.parametrize("name", recorded.OPTIMIZERS)
def test_states_that_mxnet_wrote(name):
    expected = recorded.trained(mx, name)
    found = mx.optimizer.get_updater(mx.optimizer.SGD())
    with open(os.path.join(recorded.FOLDER, f"mxnet_{name}.states"), "rb") as f:
        found.set_states(f.read())
    assert recorded.same(recorded.content(found), recorded.content(expected))
    assert type(found.optimizer) is type(expected.optimizer)
    weight = mx.nd.ones((4,), dtype="float16" if "half" in name else "float32")
    other = weight.copy()
    found(1, weight * 0.5, weight)
    expected(1, other * 0.5, other)
    np.testing.assert_allclose(weight.asnumpy(), other.asnumpy(), rtol=1e-5)


@pytest.mark.parametrize("name", recorded.OPTIMIZERS)
def test_states_are_written_as_mxnet_reads_them(name):
    # MXNet has read these very bytes (tests/tools/record_mxnet_states.py).
    with open(os.path.join(recorded.FOLDER, f"weft_{name}.states"), "rb") as f:
        content = f.read()
    now = recorded.trained(mx, name).get_states(dump_optimizer=True)

    def shape_of(data):  # which operations and names, and not the last digits of numbers
        return [(code.name, argument) for code, argument, _ in pickletools.genops(data) if not isinstance(argument, bytes)]

    assert shape_of(now) == shape_of(content)


def test_state_without_optimizer():
    updater = recorded.trained(mx, "adam")
    other = mx.optimizer.get_updater(mx.optimizer.Adam())
    other.set_states(updater.get_states())
    assert recorded.same(recorded.content(updater)["states"], {key: recorded.flat(state) for key, state in other.states.items()})


class Runs:
    def __init__(self, code):
        self.code = code

    def __reduce__(self):
        return eval, (self.code,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_states_execute_nothing(protocol, tmp_path):
    target = tmp_path / "ran"
    data = pickle.dumps({0: Runs(f"open({str(target)!r}, 'w')")}, protocol)
    with pytest.raises(mx.MXNetError, match=r"refer to (builtins|__builtin__).eval"):
        mx.optimizer.get_updater(mx.optimizer.SGD()).set_states(data)
    assert not target.exists()


@pytest.mark.parametrize(
    "data",
    [
        b"cos\nsystem\n(S'true'\ntR.",
        b"cweft.frontend.optimizer.updater\nUpdater\n.",
        b"cmxnet.optimizer.optimizer\nOptimizer.register\n.",
        b"cmxnet.optimizer.optimizer\nos\n.",
        b"cweft.frontend.optimizer.states\n_ALLOWED\n.",
        pickle.dumps([1, 2]),
        pickle.dumps(({}, 3)),
        pickle.dumps({0: np.ones(3)}),
        b"",
        b"\x80\x04",
        b"not a pickle",
        pickle.dumps({0: 1})[:-3],
        b"cnumpy\ndtype\n(S'O'\nI0\nI1\ntR.",
        b"cmxnet.ndarray.ndarray\nNDArray\n(NtR}S'handle'\nS'garbage'\nsb.",
        b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b".",
    ],
)
def test_damaged_and_hostile_states(data):
    updater = mx.optimizer.get_updater(mx.optimizer.SGD())
    with pytest.raises(mx.MXNetError):
        updater.set_states(data)
    assert updater.states == {}


def test_states_cannot_change_classes():
    # BUILD sets attributes of what is on the stack: here of the class Adam.
    data = b"\x80\x02cmxnet.optimizer.optimizer\nAdam\nN}X\x06\x00\x00\x00updateK\x01s\x86b0}."
    before = mx.optimizer.Adam.update
    with pytest.raises(mx.MXNetError):
        load_states(data)
    assert mx.optimizer.Adam.update is before


def test_numbers_of_numpy_become_python_numbers():
    sgd = mx.optimizer.SGD(learning_rate=np.float32(0.5), wd=np.float64(0.25))
    _, found = load_states(dump_states(({}, sgd)))
    assert type(found.lr) is float and found.lr == 0.5 and found.wd == 0.25


def test_registered_optimizers_of_programs_are_read():
    @mx.optimizer.register
    class Mine(mx.optimizer.Optimizer):
        pass

    globals()["Mine"] = Mine
    Mine.__qualname__ = "Mine"
    try:
        _, found = load_states(dump_states(({}, Mine(wd=0.5))))
        assert type(found) is Mine and found.wd == 0.5
    finally:
        del globals()["Mine"], mx.optimizer.Optimizer.opt_registry["mine"]


def test_dcasgd_with_momentum():
    """MXNet raises for every weight with more than one element."""
    optimizer = mx.optimizer.DCASGD(learning_rate=0.5, momentum=0.5, lamda=0.25)
    weight, grad = np.array([1.0, -2.0]), np.array([0.5, 0.25])
    array, momentum, previous = mx.nd.array(weight), np.zeros(2), weight.copy()
    state = optimizer.create_state(0, array)
    for _ in range(3):
        optimizer.update(0, array, mx.nd.array(grad), state)
        momentum = 0.5 * momentum - 0.5 * (grad + 0.25 * grad * grad * (weight - previous))
        previous, weight = weight, weight + momentum
        np.testing.assert_allclose(array.asnumpy(), weight, rtol=1e-6)


def test_lbsgd_sums_gradients_that_share_an_array():
    optimizer = mx.optimizer.LBSGD(learning_rate=1.0, batch_scale=2, warmup_epochs=0)
    weight, grad = mx.nd.zeros((1,)), mx.nd.array([1.0])
    optimizer.update(0, weight, grad, None)
    grad[:] = 3.0
    optimizer.update(0, weight, grad, None)
    assert weight.asscalar() == -4.0  # the mean gradient 2, and twice the rate


def test_sgld_adds_noise_of_the_rate():
    weight = mx.nd.zeros((100_000,))
    mx.optimizer.SGLD(learning_rate=0.04, wd=0.5).update(0, weight, mx.nd.ones((100_000,)), None)
    values = weight.asnumpy()
    assert abs(values.mean() + 0.02) < 0.003 and abs(values.std() - 0.2) < 0.003


def test_gradients_are_left_alone():
    """MXNet's AdaDelta scales the caller's gradient in place."""
    # Those with an underscore are parts of others, such as that of mx.contrib.svrg_optimization.
    for name in sorted(name for name in mx.optimizer.Optimizer.opt_registry if not name.startswith("_")):
        optimizer = mx.optimizer.create(name, rescale_grad=0.5, clip_gradient=0.25)
        weight, grad = mx.nd.ones((2, 2)), mx.nd.ones((2, 2))
        optimizer.update(0, weight, grad, optimizer.create_state(0, weight))
        assert (grad.asnumpy() == 1).all(), name


def test_half_without_mixed_precision_warns():
    with pytest.warns(UserWarning, match="multi_precision"):
        mx.optimizer.SGD(momentum=0.9).create_state_multi_precision(0, mx.nd.ones((2,), dtype="float16"))


def test_group_adagrad_needs_a_matrix():
    with pytest.raises(ValueError, match="shape"):
        mx.optimizer.contrib.GroupAdaGrad().create_state(0, mx.nd.ones((2,)))


def test_registering_a_name_again_warns():
    registry = mx.optimizer.Optimizer.opt_registry
    with pytest.warns(UserWarning, match="takes the place"):
        mx.optimizer.register(type("SGD", (mx.optimizer.Optimizer,), {}))
    registry["sgd"] = mx.optimizer.SGD
