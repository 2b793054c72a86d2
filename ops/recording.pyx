"""The tape's nodes: what a recorded call leaves for the backward pass."""

from cpython.object cimport PyObject
from libc.stdint cimport int64_t

from .array cimport NDArray, TapeNode, share
from .plans cimport Plan

cdef int64_t tape_counter = 0


cdef int record(object function, object op, bint save_inputs, bint save_outputs, Plan plan,
                PyObject** inputs, Py_ssize_t n, object attrs, const double* scalars, int n_scalars,
                NDArray single, list outputs) except -1:
    global tape_counter
    cdef bint wanted = False
    cdef Py_ssize_t i
    cdef NDArray array
    cdef TapeNode node
    for i in range(n):
        if in_graph(<NDArray>inputs[i]):
            wanted = True
            break
    if not wanted:
        return 0
    if n_scalars:
        attrs = with_scalars(op, attrs, scalars)
    node = TapeNode.__new__(TapeNode)
    node.function = function
    node.attrs = attrs
    node.out_specs = plan.out_specs
    tape_counter += 1
    node.number = tape_counter
    parents = []
    kept = []
    for i in range(n):
        array = <NDArray>inputs[i]
        parents.append((array.node, array.node_index) if in_graph(array) else None)
        kept.append(array if save_inputs else None)
    node.parents = tuple(parents)
    node.inputs = tuple(kept)
    if outputs is None:
        node.context = single.ctx_
        if save_outputs:
            node.outputs = (detached(single),)
        single.node = node
        single.node_index = 0
    else:
        node.context = (<NDArray>outputs[0]).ctx_
        if save_outputs:
            node.outputs = tuple([detached(<NDArray>array) for array in outputs])
        for i in range(len(outputs)):
            array = <NDArray>outputs[i]
            array.node = node
            array.node_index = <int>i
    return 0


cdef NDArray detached(NDArray array):
    """The same storage without a place in the graph: a node must not hold its own outputs."""
    return share(array, array.spec, array.offset)


cdef object with_scalars(object op, object attrs, const double* scalars):
    cdef Py_ssize_t at = 0
    values = {}
    for name in op.dynamic_params:
        value = getattr(attrs, name)
        if isinstance(value, tuple):
            values[name] = tuple([scalars[at + k] for k in range(len(value))])
            at += len(value)
        else:
            values[name] = scalars[at]
            at += 1
    return attrs.with_(**values)


cdef NDArray record_as(object function, object attrs, bint save_inputs, bint save_outputs, NDArray source, NDArray view):
    """Record `view` as what `function` gave for `source`."""
    global tape_counter
    cdef TapeNode node = TapeNode.__new__(TapeNode)
    node.function = function
    node.attrs = attrs
    node.out_specs = (view.spec,)
    node.context = view.ctx_
    tape_counter += 1
    node.number = tape_counter
    node.parents = ((source.node, source.node_index),)
    node.inputs = (source if save_inputs else None,)
    if save_outputs:
        node.outputs = (detached(view),)
    view.node = node
    view.node_index = 0
    return view


def new_variable_node(NDArray grad, str grad_req):
    """Return the tape node of a variable whose gradient goes to ``grad``."""
    global tape_counter
    cdef TapeNode node = TapeNode.__new__(TapeNode)
    tape_counter += 1
    node.number = tape_counter
    node.grad = grad
    node.grad_req = grad_req
    return node


def new_function_node(function, inputs, outputs):
    """Record a call of a Python function: its ``backward`` will be asked for gradients."""
    global tape_counter
    cdef TapeNode node = TapeNode.__new__(TapeNode)
    cdef NDArray array
    tape_counter += 1
    node.number = tape_counter
    node.function = function
    parents = []
    for array in inputs:
        parents.append((array.node, array.node_index) if in_graph(array) else None)
    node.parents = tuple(parents)
    node.inputs = tuple(inputs)
    node.out_specs = tuple([(<NDArray>array).spec for array in outputs])
    node.context = (<NDArray>outputs[0]).ctx_ if outputs else None
    for i, item in enumerate(outputs):
        array = item
        array.node = node
        array.node_index = i
    return node


def clear_node(TapeNode node):
    """Let go of what a node kept for its gradient."""
    node.inputs = None
    node.outputs = None
    node.parents = ()
    node.function = None
    node.cleared = True
