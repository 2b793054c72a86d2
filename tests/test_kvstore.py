"""Key-value stores: errors come before anything changes, work is asynchronous, classes of one's own."""

import numpy as np
import pytest

import weft as mx
from weft import nd


def test_errors_name_key_and_shapes_and_change_nothing():
    store = mx.kv.create()
    store.init(["a", "b"], [nd.ones((2,)), nd.ones((3,))])
    with pytest.raises(mx.MXNetError, match=r"key b: an array of shape \(2,\), the stored one has shape \(3,\)"):
        store.push(["a", "b"], [nd.zeros((2,)), nd.zeros((2,))])
    out = nd.zeros((2,))
    store.pull("a", out=out)
    assert out.asnumpy().tolist() == [1, 1]
    with pytest.raises(mx.MXNetError, match="key c doesn't exist"):
        store.pull(["a", "c"], out=[nd.zeros((2,)), nd.zeros((2,))])
    with pytest.raises(mx.MXNetError, match="shape"):
        store.pull("a", out=nd.zeros((5,)))
    with pytest.raises(TypeError, match="must be NDArrays, got ndarray"):
        store.push("a", np.zeros(2))
    with pytest.raises(mx.MXNetError, match="mixed key types"):
        store.init(["c", 4], [nd.ones((1,)), nd.ones((1,))])
    with pytest.raises(mx.MXNetError, match="sparse"):
        store.row_sparse_pull("a", out=out, row_ids=nd.array([0]))


@pytest.mark.parametrize("kind", ["nccl", "dist_sync", "dist_async", "horovod", "something"])
def test_types_that_are_not_there(kind):
    with pytest.raises(mx.MXNetError, match=kind):
        mx.kv.create(kind)


def test_order_of_pushes_and_pulls():
    store, total = mx.kv.create("device"), nd.zeros((1000,))
    store.init(0, nd.zeros((1000,)))
    store.set_updater(lambda key, pushed, stored: stored.__iadd__(pushed))
    seen = []
    for step in range(50):
        store.push(0, [nd.full((1000,), step), nd.ones((1000,), ctx=mx.cpu(1))], priority=-step)
        out = nd.empty((1000,))
        store.pull(0, out=out, priority=step)
        seen.append(out)
    for step, out in enumerate(seen):
        total = total + step + 1
        np.testing.assert_array_equal(out.asnumpy(), total.asnumpy())


def test_a_failing_push_is_raised_where_the_value_is_read():
    store = mx.kv.create()
    store.init(0, nd.zeros((2,)))
    bad = nd.take(nd.ones((3,)), nd.array([0, 9]), mode="raise")
    out = nd.zeros((2,))
    with pytest.raises(mx.MXNetError):
        store.pushpull(0, bad, out=out)
        out.asnumpy()
    store.pushpull(0, nd.ones((2,)), out=out)
    assert out.asnumpy().tolist() == [1, 1]


def test_nothing_is_recorded():
    store, x = mx.kv.create(), nd.ones((2,))
    store.init(0, nd.zeros((2,)))
    x.attach_grad()
    with mx.autograd.record():
        y = x * 3
        store.pushpull(0, [y, y], out=nd.zeros((2,)))
    y.backward()
    assert x.grad.asnumpy().tolist() == [3, 3]


def test_registered_classes_are_made_by_name():
    @mx.kv.KVStoreBase.register
    class Mine(mx.kv.KVStoreBase):
        pass

    try:
        store = mx.kv.create("mine")
        assert type(store) is Mine
        for call in (lambda: store.broadcast(0, 0, 0), lambda: store.rank, lambda: store.type, lambda: store.pushpull(0, 0)):
            with pytest.raises(NotImplementedError, match="Mine"):
                call()
        with pytest.warns(UserWarning, match="replaces"):
            mx.kv.KVStoreBase.register(type("Mine", (), {}))
    finally:
        del mx.kv.KVStoreBase.kv_registry["mine"]
    with pytest.raises(mx.MXNetError, match="no parameter servers"):
        mx.kv.KVStoreServer(store)
