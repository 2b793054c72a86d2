"""Reading images at given places: the native kernels against NumPy's, and what lies outside of the image."""

import numpy as np
import pytest
from native_kernels import check_native, run_native

DTYPES = ["float32", "float64", "float16"]


def draw(shape, dtype, low=-1.0, high=1.0, seed=1):
    return np.random.default_rng(seed).uniform(low, high, shape).astype(dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("target", [(1, 1), (3, 4), (5, 131)])
def test_affine_grids(target, dtype):
    attrs = {"transform_type": "affine", "target_shape": target}
    (grid,) = check_native("GridGenerator", attrs, [draw((3, 6), dtype)])
    check_native("_backward_GridGenerator", attrs, [draw(grid.shape, dtype, seed=2), draw((3, 6), dtype)])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [(1, 1), (3, 4), (2, 70)])
def test_warped_grids(size, dtype):
    attrs = {"transform_type": "warp"}
    flow = draw((2, 2, *size), dtype)
    check_native("GridGenerator", attrs, [flow])
    check_native("_backward_GridGenerator", attrs, [draw(flow.shape, dtype, seed=2), flow])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reach", [0.7, 1.3])
@pytest.mark.parametrize(("data", "grid"), [((2, 3, 6, 5), (3, 4)), ((1, 1, 1, 1), (2, 2)), ((2, 2, 9, 8), (7, 41)), ((3, 1, 2, 40), (1, 1))])
def test_sampling(data, grid, reach, dtype):
    # Halves: places a little apart may fall on either side of a pixel, where the gradient jumps.
    wide = (1e-2, 1e-2) if dtype == "float16" else None
    arrays = [draw(data, dtype), draw((data[0], 2, *grid), dtype, -reach, reach, seed=2)]
    (out,) = check_native("BilinearSampler", {}, arrays)
    head = draw(out.shape, dtype, seed=3)
    for wanted in (1, 2, 3):
        check_native("_backward_BilinearSampler", {"wanted": wanted}, [head, *arrays], tolerance=wide)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("data", "target"), [((2, 3, 6, 5), (3, 4)), ((1, 2, 8, 8), (11, 13)), ((3, 1, 5, 4), (1, 1))])
def test_spatial_transformers(data, target, dtype):
    wide = (2e-2, 2e-2) if dtype == "float16" else None
    attrs = {"target_shape": target, "transform_type": "affine", "sampler_type": "bilinear"}
    arrays = [draw(data, dtype), draw((data[0], 6), dtype, seed=2)]
    (out,) = check_native("SpatialTransformer", attrs, arrays)
    for wanted in (1, 2, 3):
        back = {**attrs, "wanted": wanted}
        check_native("_backward_SpatialTransformer", back, [draw(out.shape, dtype, seed=3), *arrays], tolerance=wide)


def test_outside_counts_as_zero_whatever_the_border_holds():
    data = np.full((1, 1, 2, 2), np.inf, "float32")
    places = np.array([[-4, 4, np.nan, 1e30], [0, 0, 0, -1e30]], "float32").reshape(1, 2, 1, 4)
    (out,) = run_native("BilinearSampler", {}, [data, places])
    assert out.ravel().tolist() == [0, 0, 0, 0]
    head = np.ones((1, 1, 1, 4), "float32")
    d_data, d_grid = run_native("_backward_BilinearSampler", {}, [head, data, places])
    assert not d_data.any() and not d_grid.any()


def test_corners_of_the_image_are_read_exactly():
    data = np.arange(12, dtype="float32").reshape(1, 1, 3, 4)
    places = np.array([[-1, 1, -1, 1], [-1, -1, 1, 1]], "float32").reshape(1, 2, 1, 4)
    (out,) = run_native("BilinearSampler", {}, [data, places])
    assert out.ravel().tolist() == [0, 3, 8, 11]


def test_a_place_one_pixel_outside_has_a_slope():
    # At -1 pixel the value is 0, but it grows towards the image.
    data = np.array([[[[3.0, 5.0, 7.0]]]], "float32")
    places = np.array([-2.0, 0.0], "float32").reshape(1, 2, 1, 1)
    _, d_grid = check_native("_backward_BilinearSampler", {}, [np.ones((1, 1, 1, 1), "float32"), data, places])
    assert d_grid.ravel().tolist() == [3.0, 0.0]


RESIZES = [
    ("_contrib_BilinearResize2D", {"height": 9, "width": 4}),
    ("_contrib_BilinearResize2D", {"height": 1, "width": 13, "align_corners": False}),
    ("_contrib_AdaptiveAvgPooling2D", {"output_size": (3, 7)}),
    ("_contrib_AdaptiveAvgPooling2D", {}),
    ("_UpSampling", {"scale": 3, "sample_type": "nearest", "num_args": 1}),
]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("name", "attrs"), RESIZES, ids=str)
def test_resized_images(name, attrs, dtype):
    wide = (2e-2, 2e-2) if dtype == "float16" else None
    data = draw((2, 3, 5, 8), dtype)
    (out,) = check_native(name.removeprefix("_") if name == "_UpSampling" else name, attrs, [data], tolerance=wide)
    backward = {**attrs, "num_args": 2} if "num_args" in attrs else attrs
    check_native("_backward" + name, backward, [draw(out.shape, dtype, seed=2), data], tolerance=wide)
