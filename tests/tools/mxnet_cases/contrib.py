"""The dense operators of mx.nd.contrib that are ordinary functions."""

import numpy as np

from .common import Family, arr, pos


def contrib():
    f = Family("contrib")
    boxes = np.array([[0, 0, 2, 2], [1, 1, 3, 3], [0, 0, 0.5, 0.5]], "float32")
    other = np.array([[0, 0, 1, 1], [1, 1, 2, 3]], "float32")
    for form in ("corner", "center"):
        f.add("nd.contrib.box_iou", boxes, other, format=form, id=form, grad=[])
    rows = np.array([[0, 0.9, 0, 0, 2, 2], [0, 0.8, 0.1, 0.1, 2.1, 2.1], [1, 0.7, 0, 0, 2, 2], [0, 0.3, 4, 4, 5, 5],
                     [0, 0.005, 8, 8, 9, 9]], "float32")
    for tag, kw in (("default", {}), ("valid", {"valid_thresh": 0.01}), ("topk", {"topk": 2}), ("force", {"force_suppress": True}),
                    ("id", {"id_index": 0}), ("center", {"in_format": "center", "out_format": "corner"}),
                    ("id-force", {"id_index": 0, "force_suppress": True}), ("background", {"id_index": 0, "background_id": 1})):
        f.add("nd.contrib.box_nms", rows, id=tag, **kw)
        f.add("nd.contrib.box_nms", np.stack([rows, rows[::-1].copy()]), id="batch-" + tag, grad=[], **kw)
    f.add("nd.contrib.bipartite_matching", np.array([[0.5, 0.6], [0.1, 0.2], [0.3, 0.4]], "float32"), threshold=1e-12, grad=[])
    f.add("nd.contrib.bipartite_matching", np.array([[0.5, 0.6], [0.1, 0.2], [0.3, 0.4]], "float32"), threshold=1e-12, is_ascend=True, id="ascend", grad=[])
    f.add("nd.contrib.box_decode", arr(1, 3, 4, low=0, high=1), boxes[None], format="corner", grad=[])
    f.add("nd.contrib.box_decode", arr(1, 3, 4, low=0, high=1), boxes[None], format="center", std0=0.1, clip=1.0, id="center", grad=[])
    f.add("nd.contrib.MultiBoxPrior", arr(1, 2, 2, 3), sizes=(0.5, 0.25), ratios=(1, 2), grad=[])
    f.add("nd.contrib.MultiBoxPrior", arr(1, 2, 2, 3), sizes=(0.9,), clip=True, id="clip", grad=[])
    f.add("nd.contrib.fft", arr(2, 4), grad=[])
    f.add("nd.contrib.ifft", arr(2, 8), grad=[])
    f.add("nd.contrib.interleaved_matmul_selfatt_qk", arr(3, 2, 12), heads=2)
    f.add("nd.contrib.interleaved_matmul_selfatt_valatt", arr(3, 2, 12), arr(4, 3, 3, seed=1), heads=2)
    f.add("nd.contrib.interleaved_matmul_encdec_qk", arr(3, 2, 4), arr(5, 2, 8, seed=1), heads=2)
    f.add("nd.contrib.interleaved_matmul_encdec_valatt", arr(5, 2, 8), arr(4, 3, 5, seed=1), heads=2)
    f.add("nd.contrib.quadratic", arr(2, 3), id="zeros")
    f.add("nd.contrib.getnnz", arr(2, 3), id="dense", grad=[])
    f.add("nd.contrib.quantize", arr(2, 3), np.array([-2.0], "float32"), np.array([2.0], "float32"), out_type="int8", grad=[])
    f.add("nd.contrib.quantize", pos(2, 3), np.array([0.0], "float32"), np.array([2.0], "float32"), id="uint8", grad=[])
    f.add("nd.contrib.quantize_v2", arr(2, 3), grad=[])
    f.add("nd.contrib.dequantize", np.array([[-100, 0, 127]], "int8"), np.array([-2.0], "float32"), np.array([2.0], "float32"), grad=[])
    f.add("nd.contrib.BatchNormWithReLU", arr(4, 3), pos(3, seed=1), arr(3, seed=2), arr(3, seed=3), pos(3, seed=4), train=False, grad=[])
    f.add("nd.contrib.DeformableConvolution", arr(1, 2, 4, 4), arr(1, 18, 2, 2, low=-0.5, high=0.5), arr(3, 2, 3, 3, seed=1), arr(3, seed=2),
          kernel=(3, 3), num_filter=3)
    return f
