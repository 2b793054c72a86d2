"""Devices and the current one."""

import copy
import pickle
import threading

import pytest

import weft as mx
from weft.context import Context


def test_identity():
    assert mx.cpu() == Context("cpu", 0) == Context(mx.cpu())
    assert mx.cpu() is mx.cpu(0)
    assert mx.cpu(0) != mx.cpu(1) and mx.cpu() != mx.gpu() and mx.cpu() != 1
    assert len({mx.cpu(), mx.cpu(0), mx.gpu(1)}) == 2
    for made in (pickle.loads(pickle.dumps(mx.gpu(3))), copy.copy(mx.gpu(3)), copy.deepcopy(mx.gpu(3))):
        assert made is mx.gpu(3)


def test_facts():
    assert (str(mx.gpu(2)), repr(mx.cpu_pinned()), str(Context("cpu_shared", 1))) == ("gpu(2)", "cpu_pinned(0)", "cpu_shared(1)")
    assert (mx.gpu(2).device_type, mx.gpu(2).device_id, mx.gpu(2).device_typeid) == ("gpu", 2, 2)
    assert (Context("cpu_pinned").device_typeid, Context("cpu_shared").device_typeid) == (3, 5)
    with pytest.raises(AttributeError):
        mx.cpu().device_id = 4


@pytest.mark.parametrize(("arguments", "error"), [(("tpu",), ValueError), ((1,), ValueError), (("cpu", 1.5), TypeError), (("cpu", -1), ValueError)])
def test_refusals(arguments, error):
    with pytest.raises(error, match="device_"):
        Context(*arguments)


def test_with():
    assert mx.current_context() == mx.cpu()
    with mx.cpu(1), mx.cpu(1), mx.gpu(0):
        assert mx.current_context() == mx.gpu(0)
        seen = []
        thread = threading.Thread(target=lambda: seen.append(mx.current_context()))
        thread.start()
        thread.join()
        assert seen == [mx.cpu()]
    assert mx.current_context() == mx.cpu()
    with pytest.raises(KeyError), mx.cpu(3):
        raise KeyError
    assert mx.current_context() == mx.cpu()


def test_default_can_be_set():
    try:
        Context.default_ctx = mx.cpu(2)
        assert mx.current_context() == mx.cpu(2) == Context._default_ctx.value
        with pytest.raises(TypeError):
            Context.default_ctx = "cpu"
    finally:
        Context._default_ctx.value = mx.cpu()
    assert Context.default_ctx == mx.cpu()


def test_gpus():
    assert mx.num_gpus() == 0
    with pytest.raises(mx.MXNetError):
        mx.gpu_memory_info(0)
    mx.cpu().empty_cache()


def test_a_context_tells_the_default_of_the_thread_too():
    with mx.cpu(2):
        assert mx.cpu(5).default_ctx is Context.default_ctx is mx.cpu(2)
