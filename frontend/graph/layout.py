"""Convolutions, and what lies between them, on arrays whose channels lie in blocks; weights packed once.

The graph is written anew in its order. An entry may exist in two forms, plain and blocked; a change of layout is added where a
node asks for the form that is not there, once for each entry, so that pairs of changes cannot arise.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...ops import registry
from ...ops.blocked import plain_shape
from ...ops.builders import ShapeSpec
from ...ops.cpu import onednn
from .ir import Graph, Node
from .rewrite import Entry, Rewriter, is_static

__all__ = ["block_layouts"]

NAME = "layout"
_NORM = ("eps", "momentum", "fix_gamma", "use_global_stats", "output_mean_var")
_CONVOLUTIONS = ("Convolution", "_fused_Convolution")
_FEW = 4  # channels of plain data that a blocked convolution reads directly

# Operators that compute each element of their result from the same element of inputs of one shape.
_ELEMENTWISE = frozenset(
    """relu sigmoid tanh Activation LeakyReLU clip abs square sqrt exp negative _copy BlockGrad softsign
    elemwise_add elemwise_sub elemwise_mul elemwise_div broadcast_add broadcast_sub broadcast_mul broadcast_div
    broadcast_maximum broadcast_minimum _maximum _minimum _grad_add add_n
    _plus_scalar _minus_scalar _rminus_scalar _mul_scalar _div_scalar _maximum_scalar _minimum_scalar
    _backward_relu _backward_sigmoid _backward_tanh _backward_Activation _backward_LeakyReLU _backward_clip""".split()
)


def block_layouts(graph: Graph) -> Graph:
    """Bring convolutions and what lies between them into blocks of channels.

    Parameters
    ----------
    graph : Graph
        A graph with specs, for training (after the gradient) or for inference.

    Returns
    -------
    Graph
        ``graph`` itself where blocks would not pay: where this CPU prefers other layouts, or where the changes of layout
        at the borders move more bytes than the convolutions would move to rearrange their arrays themselves.

    Examples
    --------
    >>> block_layouts(Graph()).nodes
    []
    """
    size = onednn.preferred_block()
    convolutions = {op for op in graph.operators() if op.name in _CONVOLUTIONS}
    if not size or not any(node.op in convolutions and _is_convolution(node, size) for node in graph.nodes if convolutions):
        return graph
    work = _Layout(graph, size)
    for node in graph.nodes:
        work.add(node)
    if work.saved <= work.moved:
        return graph
    result = work.rewriter.finish()
    result.note(
        NAME,
        f"{work.convolutions} convolutions and {work.others} other nodes in blocks of {size} channels, "
        f"{work.changes} changes of layout, {work.packed} weights packed",
    )
    return result


def _blockable(shape: tuple[int, ...], size: int) -> bool:
    return len(shape) == 4 and shape[1] % size == 0 and math.prod(shape) > 0


def _plain_float(node: Node, index: int = 0) -> bool:
    return bool(node.specs[index].dtype.char == "f")


def _is_convolution(node: Node, size: int) -> bool:
    """Whether a forward convolution can run in blocks."""
    if node.op is None or node.op.name not in _CONVOLUTIONS or not _plain_float(node):
        return False
    source, index = node.inputs[0]
    data, attrs = source.specs[index].shape, node.attrs
    return (
        _blockable(node.specs[0].shape, size)
        and (_blockable(data, size) or data[1] <= _FEW)
        and attrs.num_group == 1
        and not (attrs.layout and attrs.layout.endswith("C"))
        and not (attrs.dilate and any(step > 1 for step in attrs.dilate))
    )


def _is_backward(node: Node, size: int) -> bool:
    if node.op is None or node.op.name != "_backward_Convolution":
        return False
    (grad, at), (data, index) = node.inputs[:2]
    shape, attrs = data.specs[index].shape, node.attrs
    return (
        _plain_float(data, index)
        and _blockable(grad.specs[at].shape, size)
        and (_blockable(shape, size) or (shape[1] <= _FEW and not attrs.wanted & 1))
        and attrs.num_group == 1
        and not (attrs.layout and attrs.layout.endswith("C"))
        and not (attrs.dilate and any(step > 1 for step in attrs.dilate))
    )


def _has_kernel(name: str, values: dict[str, Any], inputs: list[tuple[int, ...]]) -> bool:
    """Whether oneDNN or a loop of ours computes a blocked operator fast for these shapes."""
    op = registry.get(name)
    attrs = op.attrs({name: value for name, value in values.items() if name in op.param_by_name})
    dtype = np.dtype(np.float32)
    specs = [ShapeSpec(shape, dtype) for shape in inputs]
    outs = [ShapeSpec(tuple(shape), dtype) for shape in op.infer_shapes(attrs, inputs)]
    return any(build(attrs, specs, outs) is not None for build in op.cpu)


class _Layout:
    """The graph in the making, with the forms of every entry."""

    def __init__(self, graph: Graph, size: int) -> None:
        self.rewriter = Rewriter(graph)
        self.size = size
        self.outputs = set(graph.outputs)
        self.fast: dict[Any, bool] = {}
        self.blocked: dict[Entry, Entry] = {}  # entry of the source -> blocked entry of the new graph
        self.convolutions = self.others = self.changes = self.packed = 0
        self.saved = self.moved = 0  # bytes that convolutions do not rearrange; that changes of layout do

    # -- forms -------------------------------------------------------------------------------------------------------

    def as_plain(self, entry: Entry, like: Node) -> Entry:
        """Return the plain form of an entry, bringing it back from blocks where there is no other."""
        found = self.rewriter.entries.get(entry)
        if found is None:
            made = self._change("_from_blocked", self.blocked[entry], {}, like)
            found = self.rewriter.entries[entry] = (made, 0)
        return found

    def as_blocked(self, entry: Entry, like: Node) -> Entry:
        """Return the blocked form of an entry."""
        found = self.blocked.get(entry)
        if found is None:
            made = self._change("_to_blocked", self.rewriter.entries[entry], {"block": self.size}, like)
            found = self.blocked[entry] = (made, 0)
        return found

    def _change(self, op: str, entry: Entry, attrs: dict[str, Any], like: Node) -> Node:
        made = self.rewriter.call(op, [entry], attrs, like)
        shape = plain_shape(entry[0].specs[entry[1]].shape)
        if math.prod(shape[2:]) > 1:  # a pixel alone lies the same way in both
            self.moved += 2 * made.specs[0].nbytes
        self.changes += 1
        return made

    def put(self, node: Node, made: Node, blocked: tuple[int, ...]) -> None:
        """Say that ``made`` stands for ``node``, with these of its outputs in blocks."""
        self.rewriter.replace(node, made, [i for i in range(node.n_outputs) if i not in blocked])
        for index in blocked:
            self.blocked[(node, index)] = (made, index)
            self.rewriter.entries.pop((node, index), None)
            if (node, index) in self.outputs:
                self.as_plain((node, index), node)

    # -- nodes -------------------------------------------------------------------------------------------------------

    def add(self, node: Node) -> None:
        """Add a node in the form that suits it."""
        if node.op is None:
            self.rewriter.keep(node)
        elif _is_convolution(node, self.size) and self._fast(node):
            self._convolution(node)
        elif _is_backward(node, self.size) and self._fast(node):
            self._backward_convolution(node)
        elif not self._follow(node):
            self.rewriter.keep(node, [self.as_plain(entry, node) for entry in node.inputs])
        else:
            self.others += 1

    def _fast(self, node: Node) -> bool:
        """Whether a convolution, or its gradient, has a fast kernel in blocks; asked once for equal calls."""
        backward = node.op.name == "_backward_Convolution"
        shapes = [source.specs[index].shape for source, index in node.inputs]
        places = (0, 1) if backward else (0, len(shapes) - 1) if getattr(node.attrs, "residual", False) else (0,)
        inputs = [self._blocked_shape(shape) if i in places else shape for i, shape in enumerate(shapes)]
        key = (node.op.name, node.attrs, tuple(inputs))
        if key not in self.fast:
            name = "_backward_blocked_Convolution" if backward else "_blocked_Convolution"
            self.fast[key] = _has_kernel(name, {**node.attrs.to_dict(), "block": self.size}, inputs)
        return self.fast[key]

    def _blocked_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return shape if shape[1] % self.size else (shape[0], shape[1] // self.size, *shape[2:], self.size)

    def _follow(self, node: Node) -> bool:
        """Add a node in blocks because what it reads is so; False where it cannot be."""
        name = node.op.name
        if name in ("Pooling", "_backward_Pooling"):
            return self._pooling(node)
        if name in ("BatchNorm", "_backward_BatchNorm"):
            return self._batch_norm(node)
        if name == "Concat":
            return self._concat(node)
        if name in _ELEMENTWISE:
            return self._elementwise(node)
        return False

    def _data(self, entry: Entry, node: Node) -> Entry:
        """Return what a convolution reads: blocks, or plain data of few channels."""
        source, index = entry
        if source.specs[index].shape[1] % self.size:
            return self.as_plain(entry, node)
        return self.as_blocked(entry, node)

    def _convolution(self, node: Node) -> None:
        data = self._data(node.inputs[0], node)
        values = {**node.attrs.to_dict(), "block": self.size}
        inputs = [data, *(self.as_plain(entry, node) for entry in node.inputs[1:])]
        if values.get("residual"):
            inputs[-1] = self.as_blocked(node.inputs[-1], node)
        self._pack(node, inputs, values)
        made = self.rewriter.call("_blocked_Convolution", inputs, values, node, node.name)
        self.put(node, made, (0,))
        self.convolutions += 1
        self._count(node.attrs, node.inputs[0], node.specs[0])

    def _pack(self, node: Node, inputs: list[Entry], values: dict[str, Any]) -> None:
        """Have the weight packed beforehand where it is a parameter and the graph is for inference."""
        weight, _ = node.inputs[1]
        if self.rewriter.graph.train or self.rewriter.graph.gradients or not is_static(weight):
            return
        attrs = registry.get("_blocked_Convolution").attrs(values)
        data, index = inputs[0]
        shape = node.specs[0].shape
        out = (shape[0], shape[1] // self.size, *shape[2:], self.size)
        packing: dict[str, Any] = {"block": self.size}
        if self.size == 8 and len(data.specs[index].shape) == 5 and onednn.winograd_suits(attrs, data.specs[index].shape, out):
            packing["winograd"] = True
            values["weight_format"] = "winograd"
        else:
            packing["plain_data"] = len(data.specs[index].shape) == 4
            values["weight_format"] = "packed"
        made = self.rewriter.call("_pack_weight", [inputs[1]], packing, node)
        made.cached = True
        inputs[1] = (made, 0)
        self.packed += 1

    def _count(self, attrs: Any, data: Entry, out: Any) -> None:
        """Add up what the convolution's primitive would move to rearrange plain arrays itself (decision 0010)."""
        pointwise = all(k == 1 for k in attrs.kernel) and not any(s > 1 for s in attrs.stride or ())
        if pointwise and math.prod(out.shape[2:]) >= 28 * 28:
            return
        source, index = data
        self.saved += 2 * (source.specs[index].nbytes + out.nbytes)

    def _backward_convolution(self, node: Node) -> None:
        grad = self.as_blocked(node.inputs[0], node)
        inputs = [grad, self._data(node.inputs[1], node), self.as_plain(node.inputs[2], node)]
        made = self.rewriter.call("_backward_blocked_Convolution", inputs, node.attrs.to_dict(), node, node.name)
        self.put(node, made, (0,) if node.attrs.wanted & 1 else ())
        self.convolutions += 1
        source, index = node.inputs[0]
        for _ in range((node.attrs.wanted & 3).bit_count()):
            self._count(node.attrs, node.inputs[1], source.specs[index])

    def _pooling(self, node: Node) -> bool:
        backward = node.op.name != "Pooling"
        data = node.inputs[1 if backward else 0]
        attrs = node.attrs
        spec = data[0].specs[data[1]]
        if data not in self.blocked or attrs.pool_type not in ("max", "avg", "sum") or spec.dtype.char != "f":
            return False
        values = {k: v for k, v in attrs.to_dict().items() if k != "layout"}
        name = "_backward_blocked_Pooling" if backward else "_blocked_Pooling"
        made = self.rewriter.call(name, [self.as_blocked(entry, node) for entry in node.inputs], values, node, node.name)
        self.put(node, made, (0,))
        return True

    def _batch_norm(self, node: Node) -> bool:
        backward = node.op.name != "BatchNorm"
        data = node.inputs[1 if backward else 0]
        if data not in self.blocked or node.attrs.axis not in (1, -3):
            return False
        values = {name: getattr(node.attrs, name) for name in _NORM}
        if backward:
            grad, value, gamma, *rest = node.inputs
            # Without relu the shift does not matter: gamma takes its place.
            inputs = [self.as_blocked(grad, node), self.as_blocked(value, node)]
            inputs += [self.as_plain(entry, node) for entry in (gamma, gamma, *rest)]
            made = self.rewriter.call("_backward_blocked_BatchNorm", inputs, values, node, node.name)
        else:
            inputs = [self.as_blocked(data, node), *(self.as_plain(entry, node) for entry in node.inputs[1:])]
            made = self.rewriter.call("_blocked_BatchNorm", inputs, values, node, node.name)
        self.put(node, made, (0,))
        return True

    def _concat(self, node: Node) -> bool:
        if node.attrs.dim not in (1, -3) or not all(entry in self.blocked for entry in node.inputs):
            return False
        values = {**node.attrs.to_dict(), "dim": 1}
        made = self.rewriter.call("Concat", [self.as_blocked(entry, node) for entry in node.inputs], values, node, node.name)
        self.put(node, made, (0,))
        return True

    def _elementwise(self, node: Node) -> bool:
        shape = node.specs[0].shape
        if not _blockable(shape, self.size) or node.n_outputs != 1 or not any(entry in self.blocked for entry in node.inputs):
            return False
        if any(source.specs[index].shape != shape for source, index in node.inputs):
            return False
        if not all(_plain_float(source, index) for source, index in node.inputs):
            return False
        inputs = [self.as_blocked(entry, node) for entry in node.inputs]
        made = self.rewriter.call(node.op.name, inputs, node.attrs, node, node.name)
        self.put(node, made, (0,))
        return True
