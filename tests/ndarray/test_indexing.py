"""Indexing and assignment against NumPy, and MXNet's rules for views, copies and recording."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import weft as mx
from weft import autograd, nd
from weft.engine.errors import MXNetError

SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=4).map(tuple)


def count(shape):
    return int(np.prod(shape))


@st.composite
def keys(draw, shape):
    """A key of NumPy for an array of that shape, perhaps out of bounds."""
    entries = []
    for extent in shape[: draw(st.integers(0, len(shape)))]:
        bound = st.integers(-extent - 1, extent + 1)
        kind = draw(st.sampled_from(["int", "slice", "list", "array", "mask"]))
        if kind == "int":
            entries.append(draw(st.integers(-extent, extent - 1)))
        elif kind == "slice":
            step = draw(st.sampled_from([None, 1, 2, -1, -2]))
            entries.append(slice(draw(st.none() | bound), draw(st.none() | bound), step))
        elif kind == "list":
            entries.append(draw(st.lists(st.integers(-extent, extent - 1), min_size=2, max_size=2)))
        elif kind == "array":
            entries.append(np.array(draw(st.lists(st.integers(-extent, extent - 1), min_size=1, max_size=2)))[:, None])
        else:
            entries.append(np.array(draw(st.lists(st.booleans(), min_size=extent, max_size=extent))))
    for _ in range(draw(st.integers(0, 1))):
        entries.insert(draw(st.integers(0, len(entries))), None)
    consumed = sum(entry is not None for entry in entries)
    if consumed < len(shape) and draw(st.booleans()):
        entries.insert(draw(st.integers(0, len(entries))), Ellipsis)
    return tuple(entries)


cases = SHAPES.flatmap(lambda shape: st.tuples(st.just(shape), keys(shape)))


@settings(max_examples=400, deadline=None)
@given(cases)
def test_reading_as_numpy(case):
    shape, key = case
    values = np.arange(count(shape), dtype=np.float32).reshape(shape)
    try:
        expected = values[key]
    except IndexError:
        with pytest.raises(IndexError):
            nd.array(values)[key]
        return
    try:
        result = nd.array(values)[key]
    except IndexError:
        assert expected.size == 0  # NumPy does not look at positions where nothing is selected
        return
    assert result.shape == (expected.shape or (1,))  # MXNet has no arrays without axes here
    np.testing.assert_array_equal(result.asnumpy().reshape(expected.shape), expected)


@settings(max_examples=300, deadline=None)
@given(cases, st.sampled_from(["number", "numpy", "array", "broadcast"]))
def test_writing_as_numpy(case, kind):
    shape, key = case
    expected = np.zeros(shape, np.float32)
    array = nd.array(expected)
    try:
        region = expected[key].shape
    except IndexError:
        with pytest.raises(IndexError):
            array[key] = 1
        return
    if count(region) == 0:
        return  # NumPy does not look at positions where nothing is selected
    if kind == "number":
        expected[key] = 7
        array[key] = 7
    else:
        whole = np.arange(1, count(region) + 1, dtype=np.float32).reshape(region)
        value = whole[..., :1] if kind == "broadcast" and region else whole
        if any(isinstance(entry, (list, np.ndarray)) for entry in key):
            value = np.full_like(value, 3)  # positions may repeat: which value wins is not specified
        expected[key] = value
        array[key] = value if kind == "numpy" else nd.array(value)
    np.testing.assert_array_equal(array.asnumpy(), expected)


@settings(max_examples=100, deadline=None)
@given(cases)
def test_gradient_of_reading(case):
    shape, key = case
    values = np.arange(count(shape), dtype=np.float32).reshape(shape)
    try:
        part = values[key]
    except IndexError:
        return
    if not part.size:
        return
    weights = np.arange(1, part.size + 1, dtype=np.float32).reshape(part.shape or (1,))
    array = nd.array(values)
    array.attach_grad()
    with autograd.record():
        loss = (array[key] * nd.array(weights)).sum()
    loss.backward()
    expected = np.zeros(shape, np.float32)
    np.add.at(expected, key, weights.reshape(part.shape))
    np.testing.assert_allclose(array.grad.asnumpy(), expected)


VIEWS = ["0", "-1", "1:3", "-2:", "None", "...", "()", ":", "1:3, :", "1:2, 1:2", "1, 1", "1, 1, 1", "1, None", "..., None",
         "1:0:-1", "0:4:4", "1, 2:3, 0:1"]  # fmt: skip
COPIES = ["::2", "::-1", "1:3, 0", "..., 0", "0:2, 0:1", "[0, 1]", "np.array([1])", "0, [0, 1]"]


def key_of(text):
    return () if text == "()" else eval(f"np.s_[{text}]", {"np": np})


@pytest.mark.parametrize("text", VIEWS)
def test_contiguous_parts_are_views(text):
    array = nd.arange(24).reshape((4, 3, 2))
    part = array[key_of(text)]
    array[:] = -1
    assert (part.asnumpy() == -1).all()
    part[:] = -2
    assert (array.asnumpy() == -2).any()


@pytest.mark.parametrize("text", COPIES)
def test_other_parts_are_copies(text):
    array = nd.arange(24).reshape((4, 3, 2))
    part = array[key_of(text)]
    array[:] = -1
    assert (part.asnumpy() >= 0).all()


def test_whole_key_returns_the_array_itself():
    array = nd.zeros((2, 3))
    assert array[:] is array
    assert array[()] is array


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (4, "index 4 is out of bounds for axis 0 with size 4"),
        ((0, -4), "index -4 is out of bounds for axis 1 with size 3"),
        ([0, 9], "index 9 is out of bounds for axis 0 with size 4"),
        ((0, 0, 0, 0), r"too many indices \(4\) for array with 3 dimensions"),
        ((Ellipsis, Ellipsis), "more than one ellipsis"),
        (([0, 1], [0, 1, 2]), "cannot be broadcast together"),
        (np.ones(3, bool), "boolean index has length 3 along axis 0, but the array has size 4"),
    ],
)
def test_bad_keys(key, message):
    array = nd.zeros((4, 3, 2))
    with pytest.raises(IndexError, match=message):
        array[key]
    with pytest.raises(IndexError, match=message):
        array[key] = 1


@pytest.mark.parametrize("key", [1.0, "a", {1: 2}])
def test_keys_of_unknown_kind(key):
    with pytest.raises(ValueError, match="does not support slicing with key"):
        nd.zeros((2,))[key]


def test_zero_step():
    with pytest.raises(ValueError, match="step cannot be zero"):
        nd.zeros((2,))[::0]


def test_index_arrays_on_the_device():
    array = nd.arange(6).reshape((3, 2))
    assert array[nd.array([2, 0])].asnumpy().tolist() == [[4, 5], [0, 1]]
    assert array[nd.array([[2], [-1]], dtype="int32")].shape == (2, 1, 2)
    assert array[nd.array([True, False, True], dtype="bool")].asnumpy().tolist() == [[0, 1], [4, 5]]
    assert array[nd.array([1, 2]), nd.array([0, 1])].asnumpy().tolist() == [2, 5]


def test_index_array_out_of_bounds_is_noticed():
    with pytest.raises(IndexError, match="index 5 is out of bounds for axis 0 with size 2") as raised:
        nd.zeros((2,))[nd.array([5])].asnumpy()
    assert isinstance(raised.value, MXNetError)


@pytest.mark.parametrize("value", [nd.ones((5,)), np.ones((5,), np.float32), [1, 2, 3, 4, 5]])
def test_value_that_does_not_fit(value):
    with pytest.raises(ValueError, match=r"value of shape \(5,\) and assigned region of shape \(2, 3\)"):
        nd.zeros((2, 3))[:] = value


@pytest.mark.parametrize("value", ["a", [[1], [2, 3]], object()])
def test_value_that_is_no_array(value):
    with pytest.raises(TypeError, match="does not support assignment with non-array-like object"):
        nd.zeros((2, 3))[0] = value


def test_values_are_converted():
    array = nd.zeros((3,), dtype="int32")
    array[:] = 3.7
    array[1] = nd.array([1.9])
    array[2:] = np.array([-2.5])
    assert array.asnumpy().tolist() == [3, 1, -2]
    wide = nd.zeros((1,), dtype="int64")
    wide[:] = 2**62 + 1
    assert wide.asnumpy()[0] == 2**62 + 1


def test_overlapping_assignment():
    array = nd.arange(6)
    array[1:] = array[:-1]
    assert array.asnumpy().tolist() == [0, 0, 1, 2, 3, 4]
    array[:] = array[::-1]
    assert array.asnumpy().tolist() == [4, 3, 2, 1, 0, 0]


def test_assignment_keeps_the_gradient_array():
    array = nd.zeros((2,))
    array.attach_grad()
    array[:] = nd.array([1, 2], dtype="int32")
    array[0] = 5
    with autograd.record():
        loss = (array * array).sum()
    loss.backward()
    assert array.grad.asnumpy().tolist() == [10, 4]


def test_assignment_of_numpy_does_not_wait_for_readers():
    array = nd.zeros((3,))
    shared = np.from_dlpack(array)
    array[:] = np.array([1, 2, 3])
    array[1] = [7]
    assert shared.tolist() == [0, 0, 0]
    del shared
    assert array.asnumpy().tolist() == [1, 7, 3]


def test_assignment_between_devices():
    array = nd.zeros((2,), ctx=mx.cpu(1))
    array[:] = nd.array([1, 2])
    array[0] = nd.array([7])
    assert array.asnumpy().tolist() == [7, 2]


class TestRecording:
    def test_whole_assignment_is_recorded(self):
        source, target = nd.array([1, 2]), nd.zeros((2,))
        source.attach_grad()
        with autograd.record():
            target[:] = source * 3
            loss = (target * target).sum()
        loss.backward()
        assert source.grad.asnumpy().tolist() == [18, 36]

    @pytest.mark.parametrize("key", [slice(None), 0, (slice(None), 0), ([0, 1], [0, 1])])
    def test_overwriting_a_part_of_the_graph(self, key):
        array = nd.ones((2, 3))
        array.attach_grad()
        with autograd.record():
            result = array * 2
            for target in (array, result):
                with pytest.raises(MXNetError, match="already in a computational graph"):
                    target[key] = 5
            with pytest.raises(MXNetError, match="already in a computational graph"):
                result += 1

    @pytest.mark.parametrize("key", [0, (slice(None), 0), [0], slice(None, None, -1)])
    def test_recorded_value_into_a_part(self, key):
        array, target = nd.ones((2,)), nd.zeros((3, 2))
        array.attach_grad()
        with autograd.record(), pytest.raises(MXNetError, match="not supported when recording"):
            target[key] = (array * 2).sum()

    def test_numbers_into_a_part(self):
        array, target = nd.ones((2,)), nd.zeros((2,))
        array.attach_grad()
        with autograd.record():
            target[0] = 4
            loss = (target * array).sum()
        loss.backward()
        assert array.grad.asnumpy().tolist() == [4, 0]

    def test_views_share_memory_and_are_recorded(self):
        array = nd.arange(6)
        array.attach_grad()
        with autograd.record():
            part = array.reshape((2, 3))[1]
            loss = (part * part).sum()
        loss.backward()
        assert array.grad.asnumpy().tolist() == [0, 0, 0, 6, 8, 10]
        array[:] = 1
        assert part.asnumpy().tolist() == [1, 1, 1]


def test_arrays_without_axes():
    array = nd.array(3)
    assert array[()] is array
    array[()] = 5
    array[:] += 1
    assert float(array) == 6
    with pytest.raises(IndexError, match="too many indices"):
        array[0]


def test_iteration_and_length():
    array = nd.arange(6).reshape((3, 2))
    assert len(array) == 3
    assert [row.asnumpy().tolist() for row in array] == [[0, 1], [2, 3], [4, 5]]
    assert 5 in array
    assert 9 not in array
    with pytest.raises(TypeError):
        len(nd.array(1))
    with pytest.raises(TypeError):
        iter(nd.array(1))
