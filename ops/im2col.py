"""im2col and col2im: the patches that a convolution sees as columns of a matrix, and back."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from math import prod
from typing import Any

import numpy as np

from . import rules
from .functions import F
from .registry import Shape, operator

Arrays = Sequence[np.ndarray]
Shapes = Sequence[tuple[int, ...]]

_WINDOW = (
    Shape("kernel", low=1, doc="Size of the window."),
    Shape("stride", (), low=1, doc="Distance between windows; 1 by default."),
    Shape("dilate", (), low=1, doc="Distance between the points of a window; 1 by default."),
    Shape("pad", (), low=0, doc="Zeros put around the image; 0 by default."),
)


def _window(attrs: Any) -> list[tuple[int, int, int, int]]:
    """Return (kernel, stride, dilate, pad) of each spatial axis."""
    count = len(attrs.kernel)
    parts = []
    for name, default in (("stride", 1), ("dilate", 1), ("pad", 0)):
        given = getattr(attrs, name) or (default,) * count
        if len(given) != count:
            raise ValueError(f"{name}={given} needs {count} entries like kernel={attrs.kernel}")
        parts.append(given)
    return list(zip(attrs.kernel, *parts))


def _grid(attrs: Any, image: Sequence[int]) -> list[int]:
    """Return the number of windows along each spatial axis of an image."""
    window = _window(attrs)
    if len(image) != len(window):
        raise ValueError(f"kernel={attrs.kernel} has {len(window)} dimensions, the image {len(image)}")
    result = []
    for size, (kernel, stride, dilate, pad) in zip(image, window):
        room = size + 2 * pad - dilate * (kernel - 1) - 1
        if room < 0:
            raise ValueError(f"kernel={attrs.kernel} with its dilation is larger than the padded image {tuple(image)}")
        result.append(room // stride + 1)
    return result


def _pieces(attrs: Any, grid: Sequence[int]) -> Iterator[tuple[tuple[int, ...], tuple[slice, ...]]]:
    """Yield each point of the window with the slices of the padded image that it sees."""
    window = _window(attrs)
    for point in itertools.product(*(range(kernel) for kernel, *_ in window)):
        cuts = tuple(
            slice(at * dilate, at * dilate + (count - 1) * stride + 1, stride)
            for at, count, (_, stride, dilate, _) in zip(point, grid, window)
        )
        yield point, cuts


def _padding(attrs: Any) -> list[tuple[int, int]]:
    return [(0, 0), (0, 0), *((pad, pad) for *_, pad in _window(attrs))]


def _gather(attrs: Any, image: np.ndarray, columns: np.ndarray) -> None:
    """Write the patches of the image into the columns, (batch, channels * window, windows)."""
    grid = _grid(attrs, image.shape[2:])
    view = columns.reshape(*image.shape[:2], *attrs.kernel, *grid)
    padded = np.pad(image, _padding(attrs))
    for point, cuts in _pieces(attrs, grid):
        view[(slice(None), slice(None), *point)] = padded[(slice(None), slice(None), *cuts)]


def _scatter(attrs: Any, columns: np.ndarray, image: np.ndarray) -> None:
    """Add the columns up in the places of the image that they come from."""
    grid = _grid(attrs, image.shape[2:])
    view = columns.reshape(*image.shape[:2], *attrs.kernel, *grid)
    padding = _padding(attrs)
    padded = np.zeros([size + before + after for size, (before, after) in zip(image.shape, padding)], image.dtype)
    for point, cuts in _pieces(attrs, grid):
        padded[(slice(None), slice(None), *cuts)] += view[(slice(None), slice(None), *point)]
    image[...] = padded[tuple(slice(before, before + size) for size, (before, _) in zip(image.shape, padding))]


def _columns_shape(attrs: Any, shapes: Shapes) -> list:
    data = shapes[0]
    if len(data) < 3:
        raise ValueError(f"data has {len(data)} dimensions, expected batch, channels and spatial ones")
    return [(data[0], data[1] * prod(attrs.kernel), prod(_grid(attrs, data[2:])))]


def _image_shape(attrs: Any, shapes: Shapes) -> list:
    data = shapes[0]
    if len(data) != 3:
        raise ValueError(f"data has {len(data)} dimensions, expected 3 (batch, channels * window, windows)")
    if data[1] % prod(attrs.kernel) or data[2] != prod(_grid(attrs, attrs.output_size)):
        raise ValueError(f"data of shape {tuple(data)} does not fit output_size={attrs.output_size}, kernel={attrs.kernel}")
    return [(data[0], data[1] // prod(attrs.kernel), *attrs.output_size)]


def _window_values(attrs: Any) -> dict[str, Any]:
    return {name: getattr(attrs, name) for name in ("kernel", "stride", "dilate", "pad")}


operator(
    "im2col",
    params=_WINDOW,
    shape=_columns_shape,
    gradient=lambda ctx, out_grad: [F._backward_im2col(out_grad, ctx.inputs[0], **_window_values(ctx.attrs))],
    saves="i",
    numpy=lambda attrs, ins, outs: _gather(attrs, ins[0], outs[0]),
    input_docs={"data": "Images, (batch, channels, height, width)."},
    doc="""Unfold images into columns, one for each place of a sliding window.""",
)

operator(
    "_backward_im2col",
    inputs=("out_grad", "data"),
    params=_WINDOW,
    shape=lambda attrs, shapes: [shapes[1]],
    dtype=rules.first_dtype,
    gradient=lambda ctx, grad: [F.im2col(grad, **_window_values(ctx.attrs)), None],
    saves="",
    numpy=lambda attrs, ins, outs: _scatter(attrs, ins[0], outs[0]),
    doc="""Gradient of im2col: columns added up in the places they come from.""",
)

operator(
    "col2im",
    params=(Shape("output_size", doc="Height and width of the images."), *_WINDOW),
    shape=_image_shape,
    gradient=lambda ctx, out_grad: [F.im2col(out_grad, **_window_values(ctx.attrs))],
    saves="",
    numpy=lambda attrs, ins, outs: _scatter(attrs, ins[0], outs[0]),
    input_docs={"data": "Columns, (batch, channels * window, windows)."},
    doc="""Fold columns into images; what falls on the same place adds up.""",
)
