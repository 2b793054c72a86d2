"""Image operators (``nd.image``): conversion, normalization, geometry, and random changes of colour.

Images are (height, width, channels), or a batch of them where MXNet takes one; 8-bit images saturate at 0 and 255.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import rules
from .functions import F
from .registry import Bool, Float, Floats, Int, Param, Shape, operator

Array = np.ndarray
Sizes = tuple[int, ...]

_GRAY = np.array([0.299, 0.587, 0.114])
# Eigenvectors of the colours of ImageNet, scaled by their eigenvalues, as AlexNet's lighting noise uses them.
_LIGHTING = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]]) * np.array(
    [55.46, 4.794, 1.148]
)

_DOCS = {"data": "Image of shape (height, width, channels)."}


def _image_shape(attrs: Any, shapes: Sequence[Sizes]) -> list[Sizes]:
    shape = shapes[0]
    if len(shape) != 3 or shape[2] not in (1, 3):
        raise ValueError(f"data has shape {shape}, expected (height, width, channels) with 1 or 3 channels")
    return [shape]


def _flip_shape(attrs: Any, shapes: Sequence[Sizes]) -> list[Sizes]:
    if len(shapes[0]) != 3:
        raise ValueError(f"data has shape {shapes[0]}, expected (height, width, channels)")
    return [shapes[0]]


def _image_or_batch(shape: Sizes) -> None:
    if len(shape) not in (3, 4):
        raise ValueError(f"data has shape {shape}, expected (height, width, channels) or a batch of images")


def _saturate(out: Array, values: Array) -> None:
    """Write numbers, limited to the range of an integer dtype and truncated."""
    if out.dtype.kind in "iu":
        info = np.iinfo(out.dtype)
        values = np.clip(values, info.min, info.max)
    out[...] = values.astype(out.dtype)


def _aliases(name: str) -> tuple[str, ...]:
    return (f"_npx__image_{name}",)


# ---- conversion ----------------------------------------------------------------------------------------------------------


def _tensor_shape(attrs: Any, shapes: Sequence[Sizes]) -> list[Sizes]:
    shape = shapes[0]
    _image_or_batch(shape)
    return [(*shape[:-3], shape[-1], *shape[-3:-1])]


def _to_tensor(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    outs[0][...] = np.moveaxis(ins[0], -1, -3).astype(np.float32) / np.float32(255)


operator(
    "_image_to_tensor",
    aliases=_aliases("to_tensor"),
    shape=_tensor_shape,
    dtype=rules.fixed_dtype("float32"),
    numpy=_to_tensor,
    doc="Turn images of (height, width, channels) with values up to 255 into float32 of (channels, height, width) up to 1.",
    input_docs={"data": "Image, or batch of images, channels last."},
    examples="""
    >>> import weft as mx
    >>> mx.nd.image.to_tensor(mx.nd.ones((4, 5, 3), dtype="uint8")).shape
    (3, 4, 5)
    """,
)

_NO_MEAN, _NO_STD = (0.0, 0.0, 0.0, 0.0), (1.0, 1.0, 1.0, 1.0)


def _normalize_shape(attrs: Any, shapes: Sequence[Sizes]) -> list[Sizes]:
    shape = shapes[0]
    if len(shape) not in (3, 4) or shape[-3] not in (1, 3):
        raise ValueError(f"data has shape {shape}, expected (channels, height, width) with 1 or 3 channels, or a batch")
    for name, values, default in (("mean", attrs.mean, _NO_MEAN), ("std", attrs.std, _NO_STD)):
        if len(values) not in (1, shape[-3]) and values != default:
            raise ValueError(f"{name}={values}: expected 1 number or {shape[-3]}, one for each channel")
    return [shape]


def _per_channel(values: tuple[float, ...], channels: int) -> Array:
    return np.array(values[:channels] if len(values) > 1 else values).reshape(-1, 1, 1)


def _normalize(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    channels = ins[0].shape[-3]
    mean, std = (_per_channel(values, channels).astype(ins[0].dtype) for values in (attrs.mean, attrs.std))
    outs[0][...] = (ins[0] - mean) / std


def _backward_normalize(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    outs[0][...] = ins[0] / _per_channel(attrs.std, ins[0].shape[-3]).astype(ins[0].dtype)


_NORMALIZE = (
    Floats("mean", _NO_MEAN, doc="Mean of each channel, or one for all."),
    Floats("std", _NO_STD, doc="Standard deviation of each channel, or one for all."),
)

operator(
    "_image_normalize",
    aliases=_aliases("normalize"),
    params=_NORMALIZE,
    shape=_normalize_shape,
    dtype=rules.float_dtype,
    gradient=lambda ctx, g: [F._backward_image_normalize(g, **ctx.attrs.to_dict())],
    saves="",
    inplace=((0, 0),),
    numpy=_normalize,
    doc="Subtract the mean of each channel and divide by its standard deviation.",
    input_docs={"data": "Image of (channels, height, width), or a batch."},
)
operator(
    "_backward_image_normalize",
    inputs=("out_grad",),
    params=_NORMALIZE,
    gradient=lambda ctx, g: [F._backward_image_normalize(g, **ctx.attrs.to_dict())],
    saves="",
    inplace=((0, 0),),
    numpy=_backward_normalize,
    doc="Gradient of image normalization.",
)


# ---- crop, flip, resize ----------------------------------------------------------------------------------------------------

_CROP = (
    Int("x", low=0, doc="Left edge."),
    Int("y", low=0, doc="Upper edge."),
    Int("width", low=1, doc="Width of the part."),
    Int("height", low=1, doc="Height of the part."),
)


def _crop_shape(attrs: Any, shapes: Sequence[Sizes]) -> list[Sizes]:
    shape = shapes[0]
    _image_or_batch(shape)
    for start, size, name, sizes in ((attrs.x, attrs.width, "width", shape[-2]), (attrs.y, attrs.height, "height", shape[-3])):
        if start + size > sizes:
            raise ValueError(f"the part ends at {start + size}, beyond the image's {name} of {sizes}")
    return [(*shape[:-3], attrs.height, attrs.width, shape[-1])]


def _part(attrs: Any, image: Array) -> Array:
    return image[..., attrs.y : attrs.y + attrs.height, attrs.x : attrs.x + attrs.width, :]


def _crop(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    outs[0][...] = _part(attrs, ins[0])


def _backward_crop(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    outs[0].fill(0)
    _part(attrs, outs[0])[...] = ins[0]


operator(
    "_image_crop",
    aliases=_aliases("crop"),
    params=_CROP,
    shape=_crop_shape,
    gradient=lambda ctx, g: [F._backward_image_crop(g, ctx.inputs[0], **ctx.attrs.to_dict())],
    saves="i",
    numpy=_crop,
    doc="Cut a part out of an image or out of each image of a batch.",
    input_docs={"data": "Image, or batch of images, channels last."},
)
operator(
    "_backward_image_crop",
    inputs=("out_grad", "data"),
    params=_CROP,
    shape=lambda attrs, shapes: [shapes[1]],
    gradient=lambda ctx, g: [F._image_crop(g, **ctx.attrs.to_dict()), None],
    saves="",
    numpy=_backward_crop,
    doc="Gradient of image crop.",
)


def _flip(name: str, axis: int, doc: str) -> None:
    def run(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
        outs[0][...] = np.flip(ins[0], axis)

    def run_randomly(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
        outs[0][...] = np.flip(ins[0], axis) if attrs.rng.random() < 0.5 else ins[0]

    full = f"_image_flip_{name}"
    operator(
        full,
        aliases=_aliases(f"flip_{name}"),
        shape=_flip_shape,
        gradient=lambda ctx, g: [getattr(F, full)(g)],
        saves="",
        numpy=run,
        doc=doc,
        input_docs=_DOCS,
    )
    operator(
        f"_image_random_flip_{name}",
        aliases=_aliases(f"random_flip_{name}"),
        shape=_flip_shape,
        random=True,
        numpy=run_randomly,
        doc=doc.rstrip(".") + ", with a probability of one half.",
        input_docs=_DOCS,
    )


_flip("left_right", 1, "Mirror an image left to right.")
_flip("top_bottom", 0, "Mirror an image top to bottom.")


def _resized(attrs: Any, shapes: Sequence[Sizes]) -> list[Sizes]:
    shape = shapes[0]
    _image_or_batch(shape)
    size = attrs.size
    if len(size) not in (1, 2) or min(size) <= 0:
        raise ValueError(f"size={size}: expected a positive number, or width and height")
    if attrs.interp not in _INTERPOLATIONS:
        raise ValueError(f"interp={attrs.interp}: expected 0 (nearest), 1 (linear), 2 (cubic), 3 (area) or 4 (Lanczos)")
    height, width = shape[-3:-1]
    if len(size) == 2:
        width, height = size
    elif not attrs.keep_ratio:
        width = height = size[0]
    elif height > width:
        height, width = int(height * size[0] / width), size[0]
    else:
        height, width = size[0], int(width * size[0] / height)
    return [(*shape[:-3], height, width, shape[-1])]


def _places(source: int, target: int) -> Array:
    """Return where the centres of the target's pixels lie in the source."""
    return (np.arange(target) + 0.5) * (source / target) - 0.5


def _kernel_matrix(source: int, target: int, kernel: Callable[[Array], Array], reach: int) -> Array:
    """Return weights (target, source) of an interpolation kernel; pixels beyond the edge repeat the edge."""
    places = _places(source, target)
    first = np.floor(places).astype(int)
    matrix = np.zeros((target, source))
    rows = np.arange(target)
    for offset in range(1 - reach, reach + 1):
        column = first + offset
        np.add.at(matrix, (rows, np.clip(column, 0, source - 1)), kernel(np.abs(places - column)))
    return matrix / matrix.sum(axis=1, keepdims=True)


def _linear(distance: Array) -> Array:
    return np.maximum(1 - distance, 0)


def _cubic(distance: Array) -> Array:
    a = -0.75
    near = (a + 2) * distance**3 - (a + 3) * distance**2 + 1
    far = a * (distance**3 - 5 * distance**2 + 8 * distance - 4)
    return np.where(distance <= 1, near, np.where(distance < 2, far, 0))


def _lanczos(distance: Array) -> Array:
    return np.where(distance < 4, np.sinc(distance) * np.sinc(distance / 4), 0)


def _area_matrix(source: int, target: int) -> Array:
    if target >= source:
        return _kernel_matrix(source, target, _linear, 1)
    edges = np.arange(target + 1) * (source / target)
    cells = np.arange(source)
    overlap = np.minimum(edges[1:, None], cells + 1) - np.maximum(edges[:-1, None], cells)
    matrix = np.maximum(overlap, 0)
    return matrix / matrix.sum(axis=1, keepdims=True)


def _nearest_matrix(source: int, target: int) -> Array:
    matrix = np.zeros((target, source))
    columns = np.minimum((np.arange(target) * (source / target)).astype(int), source - 1)
    matrix[np.arange(target), columns] = 1
    return matrix


_INTERPOLATIONS: dict[int, Callable[[int, int], Array]] = {
    0: _nearest_matrix,
    1: lambda source, target: _kernel_matrix(source, target, _linear, 1),
    2: lambda source, target: _kernel_matrix(source, target, _cubic, 2),
    3: _area_matrix,
    4: lambda source, target: _kernel_matrix(source, target, _lanczos, 4),
}


def _fixed_linear(image: Array, rows: Array, columns: Array) -> Array:
    """Interpolate bytes with weights of 11 bits and OpenCV's two roundings, so that results are the same to the bit."""
    rows, columns = (np.rint(weights * 2048).astype(np.int64) for weights in (rows, columns))
    across = np.einsum("...hwc,xw->...hxc", image.astype(np.int64), columns, optimize=True) >> 4
    total = 0
    for order in (0, -1):
        # Each output row mixes two input rows (or one, where the weight of the other is zero).
        if order == 0:
            places = (rows != 0).argmax(axis=1)
        else:
            places = rows.shape[1] - 1 - (rows[:, ::-1] != 0).argmax(axis=1)
        weights = rows[np.arange(rows.shape[0]), places]
        if order == -1:
            weights = np.where(places == (rows != 0).argmax(axis=1), 0, weights)
        total = total + ((weights[:, None, None] * np.take(across, places, axis=-3)) >> 16)
    return (total + 2) >> 2


def _resize(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
    weights = _INTERPOLATIONS[attrs.interp]
    if attrs.interp == 1 and outs[0].dtype == np.uint8:
        rows, columns = (weights(ins[0].shape[axis], outs[0].shape[axis]) for axis in (-3, -2))
        _saturate(outs[0], _fixed_linear(ins[0], rows, columns))
        return
    rows = weights(ins[0].shape[-3], outs[0].shape[-3])
    columns = weights(ins[0].shape[-2], outs[0].shape[-2])
    values = np.einsum("yh,...hwc,xw->...yxc", rows, ins[0].astype(np.float64), columns, optimize=True)
    if outs[0].dtype.kind in "iu":
        # Round in single precision, so that sums that differ in the last bits round alike.
        values = np.floor(values.astype(np.float32) + np.float32(0.5))
    _saturate(outs[0], values)


operator(
    "_image_resize",
    aliases=_aliases("resize"),
    params=(
        Shape("size", (), doc="New width and height, or one number for both (or for the shorter side)."),
        Bool("keep_ratio", False, doc="With one number: give it to the shorter side and keep the ratio of the sides."),
        Int("interp", 1, doc="Interpolation: 0 nearest, 1 linear, 2 cubic, 3 area, 4 Lanczos."),
    ),
    shape=_resized,
    numpy=_resize,
    doc="Change the size of an image or of each image of a batch.",
    input_docs={"data": "Image, or batch of images, channels last."},
)


# ---- colour ------------------------------------------------------------------------------------------------------------------


def _brightness(image: Array, factor: float) -> Array:
    return image * factor


def _contrast(image: Array, factor: float) -> Array:
    gray = (image @ _GRAY).mean() if image.shape[-1] == 3 else image.mean()
    return image * factor + gray * (1 - factor)


def _saturation(image: Array, factor: float) -> Array:
    if image.shape[-1] == 1:
        return image
    return image * factor + (image @ _GRAY)[..., None] * (1 - factor)


def _hue(image: Array, turn: float) -> Array:
    """Turn the hue of an RGB image by a share of the colour circle, keeping lightness and saturation (HLS)."""
    if image.shape[-1] == 1:
        return image
    high, low = image.max(-1), image.min(-1)
    spread = np.where(high > low, high - low, 1)
    red, green, blue = np.moveaxis(image, -1, 0)
    hue = np.where(
        high == red,
        (green - blue) / spread,
        np.where(high == green, 2 + (blue - red) / spread, 4 + (red - green) / spread),
    )
    turned = hue / 6 + turn
    # Each channel follows the same trapezoid, a third of the circle apart.
    channels = []
    for shift in (1 / 3, 0, -1 / 3):
        place = np.mod(turned + shift, 1) * 6
        share = np.clip(np.where(place < 3, place, 4 - place), 0, 1)
        share = np.where(place >= 4, 0, share)
        channels.append(low + (high - low) * share)
    return np.stack(channels, axis=-1)


def _lighting(image: Array, alpha: Array) -> Array:
    return image if image.shape[-1] == 1 else image + _LIGHTING @ alpha


def _colour(name: str, params: Sequence[Param], change: Callable[..., Array], doc: str, random: bool = True) -> None:
    def run(attrs: Any, ins: Sequence[Array], outs: Sequence[Array]) -> None:
        _saturate(outs[0], change(attrs, ins[0].astype(np.float64)))

    operator(
        f"_image_{name}",
        aliases=_aliases(name),
        params=params,
        shape=_image_shape,
        random=random,
        numpy=run,
        doc=doc,
        input_docs=_DOCS,
    )


def _range(attrs: Any) -> float:
    return attrs.min_factor + (attrs.max_factor - attrs.min_factor) * attrs.rng.random()


_FACTORS = (Float("min_factor", low=0.0, doc="Smallest factor."), Float("max_factor", low=0.0, doc="Largest factor."))

for _name, _change, _doc in (
    ("brightness", _brightness, "Multiply an image by a random factor."),
    ("contrast", _contrast, "Move an image away from, or towards, its mean gray by a random factor."),
    ("saturation", _saturation, "Move the colours of an image away from, or towards, gray by a random factor."),
    ("hue", _hue, "Turn the hues of an image by a random share of the colour circle."),
):
    _colour(
        f"random_{_name}",
        _FACTORS,
        lambda attrs, image, change=_change: change(image, _range(attrs)),
        _doc,
    )


def _jitter(attrs: Any, image: Array) -> Array:
    """Change brightness, contrast, saturation and hue in random order."""
    steps = (
        (attrs.brightness, _brightness, 1.0),
        (attrs.contrast, _contrast, 1.0),
        (attrs.saturation, _saturation, 1.0),
        (attrs.hue, _hue, 0.0),
    )
    for index in attrs.rng.permutation(len(steps)):
        strength, change, centre = steps[index]
        if strength > 0:
            lowest = max(centre - strength, 0.0) if centre else -strength
            image = change(image, attrs.rng.uniform(lowest, centre + strength))
    return image


_colour(
    "random_color_jitter",
    (
        Float("brightness", low=0.0, doc="How much brightness may change."),
        Float("contrast", low=0.0, doc="How much contrast may change."),
        Float("saturation", low=0.0, doc="How much saturation may change."),
        Float("hue", low=0.0, doc="How far the hue may turn."),
    ),
    _jitter,
    "Change brightness, contrast, saturation and hue of an image by random amounts, in random order.",
)


def _alpha_shape(values: tuple[float, ...]) -> Array:
    if len(values) != 3:
        raise ValueError(f"alpha={values}: expected 3 numbers")
    return np.array(values)


_colour(
    "adjust_lighting",
    (Floats("alpha", doc="Three factors, for the principal components of colour."),),
    lambda attrs, image: _lighting(image, _alpha_shape(attrs.alpha)),
    "Add lighting noise as for AlexNet: multiples of the principal components of ImageNet's colours.",
    random=False,
)
_colour(
    "random_lighting",
    (Float("alpha_std", 0.05, low=0.0, doc="Standard deviation of the factors."),),
    lambda attrs, image: _lighting(image, attrs.rng.normal(0, attrs.alpha_std, 3) if attrs.alpha_std else np.zeros(3)),
    "Add random lighting noise as for AlexNet.",
)

