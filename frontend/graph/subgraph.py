"""Graphs inside control flow: what the operators of ``ops/control_flow.py`` run step by step.

A body is run on NumPy arrays, kernel by kernel, into buffers that every step uses again: a step costs a call for each
node, and no task of the engine.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...ops.array import spec
from ...ops.errors import MXNetError
from ...ops.plans import plan_of
from .ir import Graph, Node, auxiliary_nodes
from .pipeline import optimize, set_mode

__all__ = ["Body", "Program"]

Arrays = Sequence[np.ndarray]
_MOST_PROGRAMS = 32
# Passes that count on results which are kept from run to run.
_NOT_HERE = ("conv_bn", "layout", "recompute")


class Program:
    """A graph with specs as a list of kernel calls.

    Parameters
    ----------
    graph : Graph
        What to run; its nodes have specs.
    variables : list of Node
        Those of its variables that are given, in order.
    train : bool
        Whether operators run in training mode.
    """

    def __init__(self, graph: Graph, variables: Sequence[Node], train: bool) -> None:
        self.places: dict[tuple[Node, int], int] = {(node, 0): index for index, node in enumerate(variables)}
        self.n_given = len(variables)
        constants = [node for node in graph.nodes if node.op is None and node.name in graph.constants]
        self.places.update({(node, 0): self.n_given + index for index, node in enumerate(constants)})
        self.constants = [graph.constants[node.name].asnumpy() for node in constants]
        #: Of a gradient: which heads' gradients are given after the inputs.
        self.heads: list[int] = []
        self.specs: list[Any] = []
        self.steps: list[tuple[Any, list[int], list[int], tuple[float, ...], int]] = []
        for node in graph.nodes:
            if node.op is None:
                if (node, 0) not in self.places:
                    raise MXNetError(f"the graph inside a control flow operator has no value for its variable {node.name!r}")
                continue
            self.steps.append(self._step(node, train))
        self.outputs = [self.places[entry] for entry in graph.outputs]

    def _step(self, node: Node, train: bool) -> tuple[Any, list[int], list[int], tuple[float, ...], int]:
        attrs = node.attrs.with_(train=train) if node.op.uses_train and node.attrs.train != train else node.attrs
        plan = plan_of(node.op, attrs, [source.specs[index] for source, index in node.inputs])
        ins = [self.places[entry] for entry in node.inputs]
        outs = []
        for index, out in enumerate(plan.out_specs):
            self.places[node, index] = place = self.n_given + len(self.constants) + len(self.specs)
            self.specs.append(out)
            outs.append(place)
        # Of random operators: the same numbers wherever passes have put the node, here and in the gradient's graph.
        return plan.kernel, ins, outs, attrs.scalars, zlib.crc32(node.name.encode())

    def start(self) -> Callable[[Arrays, int], list[np.ndarray]]:
        """Return ``run(arrays, seed) -> results``, with buffers of its own, which hold until the next run."""
        values: list[Any] = [None] * self.n_given + self.constants + [np.empty(out.shape, out.dtype) for out in self.specs]
        steps, outputs = self.steps, self.outputs

        def run(arrays: Arrays, seed: int) -> list[np.ndarray]:
            values[: self.n_given] = [np.ascontiguousarray(array) for array in arrays]
            for kernel, ins, outs, scalars, number in steps:
                kernel.run([values[i] for i in ins], [values[i] for i in outs], scalars, seed & 0x7FFFFFFFFFFFFFFF, number)
            return [values[i] for i in outputs]

        return run


class Body:
    """A graph as a parameter of a control flow operator; see ``ops/control_flow.py`` for what is asked of it.

    Parameters
    ----------
    graph : Graph
        The graph; its variables are the body's inputs, in the order in which they are used.

    Examples
    --------
    >>> import weft as mx
    >>> from weft.frontend.graph import Graph
    >>> body = Body(Graph.from_entries((2 * mx.sym.Variable("x"))._entries))
    >>> body.infer_shapes([(3,)])
    ([(3,)], [(3,)])
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.inputs = [node for node in graph.nodes if node.op is None]
        self.n_inputs = len(self.inputs)
        self.n_outputs = len(graph.outputs)
        found = auxiliary_nodes(graph.nodes)
        self.states = tuple(index for index, node in enumerate(self.inputs) if node in found)
        self._programs: dict[Any, Program] = {}
        names = [node.name for node in self.inputs]
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise MXNetError(f"two different inputs of a control flow operator's graph are called {twice!r}")

    @property
    def entries(self) -> list[tuple[Node, int]]:
        """The graph's outputs, which JSON is written from."""
        return list(self.graph.outputs)

    def infer_shapes(self, shapes: list[Any]) -> tuple[list[Any], list[Any]]:
        """Return partial shapes of inputs and outputs, from partial shapes of inputs."""
        from .infer import infer_shapes

        given = {node.name: shape for node, shape in zip(self.inputs, shapes) if shape is not None}
        found = infer_shapes(self.graph, given)
        return [found[node, 0] for node in self.inputs], [found[entry] for entry in self.graph.outputs]

    def infer_types(self, dtypes: list[Any]) -> tuple[list[Any], list[Any]]:
        """Return dtypes of inputs and outputs, None where unknown."""
        from .infer import infer_types

        given = {node.name: dtype for node, dtype in zip(self.inputs, dtypes) if dtype is not None}
        found = infer_types(self.graph, given)
        return [found[node, 0] for node in self.inputs], [found[entry] for entry in self.graph.outputs]

    def _inferred(self, arrays: Arrays, train: bool) -> Graph:
        from .infer import infer

        shapes = {node.name: array.shape for node, array in zip(self.inputs, arrays)}
        dtypes = {node.name: array.dtype for node, array in zip(self.inputs, arrays)}
        return infer(set_mode(self.graph.copy(), train), shapes, dtypes)

    def _program(self, kind: str, arrays: Arrays, train: bool, make: Callable[[Graph], Program]) -> Program:
        key = (kind, train, *(spec(array.shape, array.dtype) for array in arrays))
        found = self._programs.get(key)
        if found is None:
            if len(self._programs) >= _MOST_PROGRAMS:
                self._programs.clear()
            found = self._programs[key] = make(self._inferred(arrays, train))
        return found

    def _compile(self, graph: Graph, train: bool) -> tuple[Program, list[str]]:
        """Return the program of a graph after all passes, and the gradients of heads that it is given after the inputs."""
        graph = optimize(graph, _NOT_HERE)
        by_name = {node.name: node for node in graph.nodes if node.op is None}
        more = graph.head_grads
        return Program(graph, [*(by_name[node.name] for node in self.inputs), *more], train), [node.name for node in more]

    def runner(self, arrays: Arrays, train: bool) -> Callable[[Arrays, int], list[np.ndarray]]:
        """Return ``run(arrays, seed) -> results`` for arrays of these shapes and dtypes."""
        return self._program("forward", arrays, train, lambda graph: self._compile(graph, train)[0]).start()

    def gradient_runner(self, arrays: Arrays, train: bool) -> Callable[[Arrays, Arrays, int], list[Any]]:
        """Return ``run(arrays, out_grads, seed) -> gradients``, one an input; None for integers and states."""
        from .gradient import add_gradient, head_gradient_names

        wanted = [index for index, array in enumerate(arrays) if array.dtype.kind == "f" and index not in self.states]
        if not wanted:
            return lambda arrays, out_grads, seed: [None] * self.n_inputs
        names = head_gradient_names(self.graph)

        def make(graph: Graph) -> Program:
            graph = add_gradient(graph, [self.inputs[index].name for index in wanted])
            # The heads themselves are known already.
            graph.outputs, graph.n_heads = graph.outputs[graph.n_heads :], 0
            program, given = self._compile(graph, train)
            program.heads = [names.index(name) for name in given]
            return program

        program = self._program("backward", arrays, train, make)
        run = program.start()

        def gradients(arrays: Arrays, out_grads: Arrays, seed: int) -> list[Any]:
            found = run([*arrays, *(out_grads[head] for head in program.heads)], seed)
            result: list[Any] = [None] * self.n_inputs
            for index, grad in zip(wanted, found):
                result[index] = grad
            return result

        return gradients
