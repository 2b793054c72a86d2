"""Sharing memory with other libraries: DLPack, the buffer protocol, NumPy."""

import gc
import threading
import time

import numpy as np
import pytest

import weft as mx
from weft import nd
from weft.engine.errors import MXNetError

DTYPES = ["float16", "float32", "float64", "uint8", "int8", "int32", "int64"]


@pytest.mark.parametrize("dtype", [*DTYPES, "bool"])
def test_to_numpy_without_a_copy(dtype):
    array = nd.array([[1, 0, 3]], dtype=dtype)
    shared = np.from_dlpack(array)
    assert shared.dtype == array.dtype
    assert shared.tolist() == array.asnumpy().tolist()
    assert shared.ctypes.data == array.__array_interface__["data"][0]
    assert not shared.flags.writeable


@pytest.mark.parametrize("dtype", DTYPES)
def test_from_numpy_without_a_copy(dtype):
    source = np.arange(6).reshape(2, 3).astype(dtype)
    array = nd.from_dlpack(source)
    source[0, 0] = 9
    assert array.asnumpy().tolist() == source.tolist()
    array[1] = 7
    array.wait_to_read()
    assert source[1].tolist() == [7, 7, 7]


def test_strided_and_read_only_tensors_are_copied():
    source = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert nd.from_dlpack(source.T).asnumpy().tolist() == source.T.tolist()
    assert nd.from_dlpack(source[:, ::2]).asnumpy().tolist() == source[:, ::2].tolist()
    assert nd.from_dlpack(source[::-1]).asnumpy().tolist() == source[::-1].tolist()
    source.flags.writeable = False
    array = nd.from_dlpack(source)
    array[:] = 0
    array.wait_to_read()
    assert source[1, 2] == 5


def test_shapes_without_elements_or_axes():
    assert nd.from_dlpack(np.zeros((0, 3), np.float32)).shape == (0, 3)
    assert np.from_dlpack(nd.zeros((0, 3))).shape == (0, 3)
    assert nd.from_dlpack(np.float32([4]).reshape(())).shape == ()


@pytest.mark.parametrize("method", ["to_dlpack_for_read", "to_dlpack_for_write"])
def test_own_capsules_come_back_as_the_same_memory(method):
    array = nd.arange(6).reshape((2, 3))[1]
    back = nd.from_dlpack(getattr(array, method)())
    back += 1
    assert array.asnumpy().tolist() == [4, 5, 6]
    assert back.context == array.context
    array[:] = 0
    assert back.asnumpy().tolist() == [0, 0, 0]


def test_a_capsule_is_used_up():
    capsule = nd.zeros((2,)).to_dlpack_for_read()
    nd.from_dlpack(capsule)
    with pytest.raises(ValueError, match="already used"):
        nd.from_dlpack(capsule)
    with pytest.raises(TypeError, match="expected an object with __dlpack__"):
        nd.from_dlpack(3)


def test_writers_wait_until_the_export_is_released():
    array = nd.zeros((4,))
    shared = np.from_dlpack(array)
    done = threading.Event()

    def write():
        array[:] = nd.ones((4,))
        array.wait_to_read()
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    assert not done.wait(0.1)
    assert shared.tolist() == [0, 0, 0, 0]
    assert (nd.from_dlpack(shared) is not None) and array.context == mx.cpu()
    del shared
    gc.collect()
    assert done.wait(20)
    thread.join()
    assert array.asnumpy().tolist() == [1, 1, 1, 1]


def test_readers_do_not_wait():
    array = nd.ones((4,))
    capsule = array.to_dlpack_for_write()
    assert (array + 1).asnumpy().tolist() == [2, 2, 2, 2]
    del capsule
    array += 1
    assert array.asnumpy().tolist() == [2, 2, 2, 2]


def test_unused_capsules_let_go():
    array = nd.ones((4,))
    for _ in range(100):
        array.to_dlpack_for_read()
        array.__dlpack__(max_version=(1, 0))
    array[:] = 2
    assert array.asnumpy().tolist() == [2, 2, 2, 2]


def test_the_export_outlives_the_array():
    shared = np.from_dlpack(nd.arange(1000))
    gc.collect()
    assert shared.sum() == 499500


def test_protocol_arguments():
    array = nd.ones((2,))
    assert array.__dlpack_device__() == (1, 0)
    with pytest.raises(BufferError):
        array.__dlpack__(dl_device=(2, 0))
    copy = np.from_dlpack(array, copy=True)
    array[:] = 5
    assert copy.tolist() == [1, 1]


def test_unsupported_tensors():
    with pytest.raises(MXNetError, match="no counterpart"):
        nd.from_dlpack(np.zeros(2, np.complex64))


def test_from_numpy_shares_and_locks():
    source = np.arange(4, dtype=np.float32)
    array = nd.from_numpy(source)
    assert not source.flags.writeable
    array[:] = 3
    array.wait_to_read()
    assert source.tolist() == [3, 3, 3, 3]
    other = np.arange(4, dtype=np.float32)
    assert nd.from_numpy(other, zero_copy=False).asnumpy().tolist() == other.tolist()
    assert other.flags.writeable
    with pytest.raises(ValueError, match="c-contiguous"):
        nd.from_numpy(np.zeros((2, 4), np.float32)[:, ::2])
    with pytest.raises(ValueError, match="int16 is not supported"):
        nd.from_numpy(np.zeros(2, np.int16))
    with pytest.raises(TypeError):
        nd.from_numpy([1])


def test_memory_of_numpy_arrays_is_kept_alive():
    array = nd.from_numpy(np.arange(100000, dtype=np.float32))
    gc.collect()
    time.sleep(0.01)
    assert array.asnumpy().sum() == np.arange(100000, dtype=np.float32).sum()


def test_buffer_protocol():
    array = nd.arange(6).reshape((2, 3))
    with memoryview(array) as view:
        assert view.shape == (2, 3)
        assert view.readonly
        array[:] = 1
        assert array.asnumpy().tolist() == [[1, 1, 1], [1, 1, 1]]  # nobody waits for the buffer: it is a copy
        assert view.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert bytes(memoryview(array)) == np.ones((2, 3), np.float32).tobytes()


@pytest.mark.parametrize("dtype", [*DTYPES, "bool"])
def test_buffers_of_every_dtype(dtype):
    array = nd.array([[0, 1, 3]], dtype=dtype)
    view = memoryview(array)
    assert np.asarray(view).dtype == array.dtype
    assert np.asarray(view).tolist() == array.asnumpy().tolist()
    assert not np.frombuffer(array, dtype=array.dtype).flags.writeable
    assert memoryview(nd.zeros((0, 2), dtype=dtype)).shape == (0, 2)
    assert memoryview(nd.array(1, dtype=dtype)).shape == ()


def test_numpy_conversions():
    array = nd.array([[1, 2]])
    assert np.array(array).tolist() == [[1, 2]]
    assert np.asarray(array, dtype="float64").dtype == np.float64
    assert np.exp(array).shape == (1, 2)
    assert np.array(array, copy=True).flags.writeable
    assert array.__array__(np.int32).dtype == np.int32
    with pytest.raises(TypeError):
        array + np.ones((1, 2), np.float32)
    interface = array.__array_interface__
    assert interface["shape"] == (1, 2)
    assert interface["typestr"] == "<f4"
