"""Boxes and regions of images: the native kernels against NumPy's."""

import numpy as np
import pytest
from native_kernels import check_native, run_native

DTYPES = ["float32", "float64"]


def random_boxes(count, dtype, size=1.0, seed=1):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 0.8, (count, 2))
    return (np.concatenate([corner, corner + rng.uniform(-0.01, 0.4, (count, 2))], axis=1) * size).astype(dtype)


def rows_of_boxes(batch, count, dtype):
    rng = np.random.default_rng(2)
    kinds, scores = rng.integers(-1, 3, (batch, count, 1)), rng.uniform(-0.2, 1, (batch, count, 1)).round(1)
    boxes = random_boxes(batch * count, dtype).reshape(batch, count, 4)
    return np.concatenate([kinds, scores, boxes], axis=2).astype(dtype)


def regions(dtype):
    # Some leave the image, one is empty, two belong to no image.
    table = np.concatenate([np.arange(9)[:, None] % 2, random_boxes(9, "float64", 40.0)], axis=1)
    table[2, 1:] = [-10, -12, 60, 70]
    table[3, 1:] = [5, 5, 5, 5]
    table[4, 0], table[5, 0] = -1, 2
    return table.astype(dtype)


@pytest.mark.parametrize("dtype", [*DTYPES, "float16"])
@pytest.mark.parametrize("layout", ["corner", "center"])
def test_overlaps(layout, dtype):
    pair = [random_boxes(30, dtype).reshape(5, 6, 4), random_boxes(7, dtype, seed=3)]
    check_native("_contrib_box_iou", {"format": layout}, pair, tolerance=(2e-2, 2e-2) if dtype == "float16" else None)
    check_native("_contrib_box_iou", {"format": layout}, [np.zeros((2, 4), dtype), pair[1]])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("samples", [-1, 3])
def test_rotated_regions(samples, dtype):
    rng = np.random.default_rng(8)
    rois = np.concatenate([np.arange(9)[:, None] % 2, rng.uniform(-5, 40, (9, 4)), rng.uniform(-400, 400, (9, 1))], axis=1)
    rois[3, 0], rois[4, 0], rois[5, 1], rois[6, 3], rois[7, 5] = -1, 2, np.nan, 1e30 if samples < 0 else 50, np.inf
    attrs = {"pooled_size": (3, 2), "spatial_scale": 0.5, "sampling_ratio": samples}
    (found,) = check_native("_contrib_RROIAlign", attrs, [rng.normal(size=(2, 3, 11, 13)).astype(dtype), rois.astype(dtype)])
    assert not found[[3, 4, 5, 7]].any() and np.abs(found[[0, 1, 2]]).max() > 0.1


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "more", [{}, {"iou_loss": True}, {"rpn_pre_nms_top_n": 40, "threshold": 0.3}, {"rpn_pre_nms_top_n": -1, "rpn_min_size": 24}], ids=str
)
def test_proposals(more, dtype):
    rng = np.random.default_rng(7)
    attrs = {"rpn_post_nms_top_n": 50, "scales": (2, 4), "ratios": (0.5, 1), "feature_stride": 8, **more}
    scores, offsets = rng.random((3, 8, 6, 7)).astype(dtype), rng.normal(0, 0.3, (3, 16, 6, 7)).astype(dtype)
    scores[:, :, 2] = scores[:, :, 1]  # equals stay in order
    scores[1, 5, 3, 3], offsets[1, 6, 4, 4] = np.nan, np.nan
    # The second image is smaller than its feature map, the third has no pixels.
    info = np.array([[48, 56, 1], [30, 40, 0.5], [-20, 9, 1]], dtype)
    for name in ("_contrib_Proposal", "_contrib_MultiProposal"):
        boxes, chances = check_native(name, attrs, [scores, offsets, info])
        assert len(np.unique(boxes[:50], axis=0)) > 3 and (chances[:3] > 0.5).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"id_index": 0},
        {"id_index": 0, "force_suppress": True},
        {"id_index": 0, "background_id": 1, "topk": 5},
        {"in_format": "center", "overlap_thresh": 0.1},
        {"out_format": "center", "valid_thresh": 0.4},
    ],
    ids=str,
)
def test_suppression(more, dtype):
    data = rows_of_boxes(3, 40, dtype)
    _, places = check_native("_contrib_box_nms", more, [data])
    assert 0 < (places >= 0).sum() < places.size
    check_native("_backward_contrib_box_nms", {}, [rows_of_boxes(3, 40, dtype) + 1, places])
    check_native("_contrib_box_nms", more, [data[0]])


@pytest.mark.parametrize("dtype", [*DTYPES, "float16"])
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (7, 7)])
def test_maxima_of_regions(size, dtype):
    data = np.random.default_rng(4).standard_normal((2, 3, 11, 13)).astype(dtype)
    attrs = {"pooled_size": size, "spatial_scale": 0.3}
    out, places = check_native("ROIPooling", attrs, [data, regions(dtype)])
    grad = np.random.default_rng(5).standard_normal(out.shape).astype(dtype)
    wide = (2e-2, 2e-2) if dtype == "float16" else None
    check_native("_backward_ROIPooling", attrs, [grad, data, regions(dtype), places], tolerance=wide)


def test_maximum_among_values_that_are_no_numbers():
    data = np.arange(16, dtype="float32").reshape(1, 1, 4, 4)
    data[0, 0, 1, 1] = np.nan
    _, places = check_native("ROIPooling", {"pooled_size": (1, 1), "spatial_scale": 1.0}, [data, np.array([[0, 0, 0, 3, 3]], "float32")])
    assert places.item() == 5


@pytest.mark.parametrize("dtype", [*DTYPES, "float16"])
@pytest.mark.parametrize("samples", [-1, 2])
@pytest.mark.parametrize("more", [{}, {"aligned": True}, {"position_sensitive": True}], ids=str)
def test_averages_of_regions(more, samples, dtype):
    data = np.random.default_rng(4).standard_normal((2, 12, 11, 13)).astype(dtype)
    attrs = {"pooled_size": (3, 2), "spatial_scale": 0.3, "sample_ratio": samples, **more}
    wide = (2e-2, 2e-2) if dtype == "float16" else None
    (out,) = check_native("_contrib_ROIAlign", attrs, [data, regions(dtype)], tolerance=wide)
    grad = np.random.default_rng(5).standard_normal(out.shape).astype(dtype)
    check_native("_backward_ROIAlign", attrs, [grad, data, regions(dtype)], tolerance=wide)


@pytest.mark.parametrize("samples", [-1, 2])
@pytest.mark.parametrize("aligned", [False, True])
@pytest.mark.parametrize(
    "region", [[0, 0, np.inf, 3], [0, -np.inf, 3, 3], [0, 0, np.nan, 3], [0, -2e6, 3, 1e6], [-1e30, 0, 1e30, 3]], ids=str
)
def test_averages_of_regions_without_bounds(region, aligned, samples):
    data = np.random.default_rng(6).standard_normal((1, 2, 5, 6)).astype("float32")
    attrs = {"pooled_size": (2, 2), "spatial_scale": 1.0, "sample_ratio": samples, "aligned": aligned}
    rois = np.array([[0, *region]], "float32")
    (out,) = check_native("_contrib_ROIAlign", attrs, [data, rois])
    check_native("_backward_ROIAlign", attrs, [np.ones_like(out), data, rois])


def test_a_region_larger_than_the_image_by_far_takes_no_time():
    data, rois = np.ones((1, 1, 5, 6), "float32"), np.array([[0, 0, 0, 1e12, 3]], "float32")
    (out,) = run_native("_contrib_ROIAlign", {"pooled_size": (1, 1), "spatial_scale": 1.0}, [data, rois])
    np.testing.assert_allclose(out, [[[[6e-12]]]], rtol=1e-4)


@pytest.mark.parametrize("dtype", [*DTYPES, "float16"])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"force_suppress": True, "nms_threshold": 0.2},
        {"nms_topk": 7, "threshold": 0.4},
        {"nms_threshold": 0.0, "clip": False},
        {"variances": (0.3, 0.1, 0.2, 0.4), "threshold": 0.7},
    ],
    ids=str,
)
def test_detections(more, dtype):
    rng = np.random.default_rng(6)
    chances = rng.uniform(0, 1, (3, 4, 60)).round(1).astype(dtype)  # rounded: several are equal
    chances[0, 2, 5] = np.nan
    offsets = rng.normal(0, 1, (3, 240)).astype(dtype)
    wide = (2e-2, 2e-2) if dtype == "float16" else None
    inputs = [chances, offsets, random_boxes(60, dtype)[None]]
    (rows,) = check_native("_contrib_MultiBoxDetection", more, inputs, tolerance=wide)
    assert 0 < (rows[..., 0] >= 0).sum() < rows[..., 0].size
    check_native("_contrib_MultiBoxDetection", more, [chances[:, :2], *inputs[1:]], tolerance=wide)


@pytest.mark.parametrize("dtype", [*DTYPES, "float16"])
@pytest.mark.parametrize(("bins", "groups"), [(2, 2), (3, 0), (4, 2), (2, 3)])
def test_averages_of_grouped_channels(bins, groups, dtype):
    attrs = {"spatial_scale": 0.3, "output_dim": 2, "pooled_size": bins, "group_size": groups}
    data = np.random.default_rng(4).standard_normal((2, 2 * (groups or bins) ** 2, 11, 13)).astype(dtype)
    wide = (2e-2, 2e-2) if dtype == "float16" else None
    (out,) = check_native("_contrib_PSROIPooling", attrs, [data, regions(dtype)], tolerance=wide)
    assert np.abs(out).max() > 0
    grad = np.random.default_rng(5).standard_normal(out.shape).astype(dtype)
    check_native("_backward__contrib_PSROIPooling", attrs, [grad, data, regions(dtype)], tolerance=wide)
