"""Gradients: walking recorded calls backwards.

Calls are numbered as they are recorded, and a call's inputs are older than its outputs: going through the nodes from
the highest number down meets every node after all its users.
"""

cimport cython

from .array cimport NDArray, Spec, TapeNode, new_array, share

from .dispatch import OpFunction, fill, function
from .errors import MXNetError
from .modes import set_recording, set_training
from .recording import clear_node

cdef extern from *:
    """
    static inline Py_ssize_t weft_refcount(PyObject* item) { return Py_REFCNT(item); }
    """
    Py_ssize_t weft_refcount(object item)


@cython.final
@cython.freelist(64)
cdef class GradientContext:
    """What a declared gradient is told about the call it differentiates."""

    cdef readonly tuple inputs
    cdef readonly tuple outputs
    cdef readonly object attrs
    cdef readonly tuple needs


cdef object _add = None
cdef object _copy = None
cdef object _copyto = None
cdef object _like = None


cdef int load_functions() except -1:
    global _add, _copy, _copyto, _like
    _add = function("elemwise_add")
    _copy = function("_copy")
    _copyto = function("_copyto")
    _like = function("_identity_with_attr_like_rhs")
    return 0


cdef str NOT_RECORDED = (
    "Cannot differentiate node because it is not in a computational graph. You need to set is_recording "
    "to true or use autograd.record() to save computational graphs for backward. If you want to "
    "differentiate the same graph twice, you need to pass retain_graph=True to backward."
)


cdef dict collect(list roots):
    """All nodes under `roots`, each with an empty slot an output."""
    cdef dict found = {}
    cdef list stack = list(roots)
    cdef TapeNode node
    while stack:
        node = <TapeNode>stack.pop()
        if node in found:
            continue
        if node.cleared:  # an earlier pass through another head may have gone through it
            raise MXNetError(NOT_RECORDED)
        found[node] = [None] * (1 if node.out_specs is None else len(node.out_specs))
        for parent in node.parents or ():
            if parent is not None and parent[0] not in found:
                stack.append(parent[0])
    return found


cdef int accumulate(dict pending, TapeNode node, int index, object gradient) except -1:
    cdef list slots = <list>pending[node]
    cdef object device = node.context if node.context is not None else node.grad.ctx_ if node.grad is not None else None
    if device is not None and (<NDArray>gradient).ctx_ is not device:
        # Back over a copy between devices.
        gradient = _copyto(gradient, out=new_array((<NDArray>gradient).spec, device))
    present = slots[index]
    slots[index] = gradient if present is None else _add(present, gradient)
    return 0


cdef list differentiate(TapeNode node, list grads, bint create_graph):
    """Gradients for the parents of a node, from those of its outputs."""
    cdef GradientContext ctx
    cdef Py_ssize_t i, visible
    cdef NDArray output
    if not isinstance(node.function, OpFunction):
        for i in range(len(grads)):
            if grads[i] is None:
                grads[i] = fill("_zeros", <Spec>node.out_specs[i], node.context)
        return node.function._backward(node, grads)
    op = node.function.op
    ctx = GradientContext.__new__(GradientContext)
    ctx.inputs = node.inputs
    ctx.attrs = node.attrs
    ctx.needs = tuple([parent is not None for parent in node.parents])
    ctx.outputs = node.outputs
    if create_graph and node.outputs is not None:
        linked = []
        for i in range(len(node.outputs)):
            output = <NDArray>node.outputs[i]
            output = share(output, output.spec, output.offset)
            output.node = node
            output.node_index = <int>i
            linked.append(output)
        ctx.outputs = tuple(linked)
    if len(grads) > 1:
        visible = op.count_visible(node.attrs)
        for i in range(len(grads)):
            if grads[i] is None and i < visible:
                grads[i] = fill("_zeros", <Spec>node.out_specs[i], node.context)
    if op.gradient is None:
        raise MXNetError(f"{op.name} has no gradient: it cannot lie between a loss and a variable")
    result = op.gradient(ctx, *grads)
    if len(result) != len(node.parents):
        raise MXNetError(
            f"the gradient of {op.name} gives {len(result)} arrays for {len(node.parents)} inputs"
        )
    return result


cdef bint acts_on_zeros(TapeNode node, bint train_mode) except -1:
    """Whether a call behind BlockGrad, argmax and the like is differentiated all the same."""
    if isinstance(node.function, OpFunction):
        return node.function.op.acts_on_zeros(node.attrs, train_mode)
    return node.function._acts_on_zeros


cdef int store(TapeNode node, list slots) except -1:
    """Put a variable's gradient where it asked for it."""
    gradient = slots[0]
    slots[0] = None
    if node.grad is None or node.grad_req == "null":
        return 0
    if gradient is None:
        # Used, but nothing flows back, as through floor: what an earlier pass left must not stay.
        if node.grad_req == "add":
            return 0
        gradient = fill("_zeros", node.grad.spec, node.grad.ctx_)
    node.fresh = True
    if node.grad_req == "add":
        _add(node.grad, gradient, out=node.grad)
        return 0
    # Only `gradient` here still refers to the array: its storage can change hands instead of being copied.
    if weft_refcount(gradient) == 1 and node.grad._take_storage(gradient):
        return 0
    _copy(gradient, out=node.grad)
    return 0


cdef list check_heads(list heads):
    roots = []
    cdef NDArray head
    for head in heads:
        if head.node is None:
            raise MXNetError(NOT_RECORDED)
        roots.append(head.node)
    if not roots:
        raise MXNetError("there is nothing to differentiate: heads is empty")
    return roots


cdef list last_mentions(list heads):
    """Where each head stands last: one named several times counts once, with its last gradient, as in MXNet."""
    cdef NDArray head
    cdef dict places
    cdef Py_ssize_t i
    if len(heads) == 1:
        return [0]
    places = {}
    for i in range(len(heads)):
        head = <NDArray>heads[i]
        places[(head.node, head.node_index)] = i
    return list(places.values())


def run_backward(list heads, head_grads, bint retain_graph, bint train_mode, bint create_graph, variables=None):
    """Differentiate ``heads``.

    Parameters
    ----------
    heads : list of NDArray
        Where to start; one that is named several times counts once, with the gradient given last.
    head_grads : list or None
        One gradient a head; None means ones.
    retain_graph : bool
        Keep what was recorded, for another pass.
    train_mode : bool
        Mode of the operators in the pass.
    create_graph : bool
        Record the pass itself.
    variables : list of NDArray, optional
        Return the gradients of these instead of storing those of all variables.

    Returns
    -------
    list of NDArray or None
        The gradients of ``variables``.
    """
    cdef dict pending
    cdef TapeNode node
    cdef NDArray head, variable
    cdef Py_ssize_t i
    cdef dict asked = None
    cdef list results = None
    cdef list order
    if _add is None:
        load_functions()
    roots = check_heads(heads)
    pending = collect(roots)
    if variables is not None:
        asked = {}
        results = [None] * len(variables)
        for i, item in enumerate(variables):
            variable = item
            if variable.node is None:
                raise MXNetError(
                    f"Cannot differentiate with respect to the {i + 1}-th variable because it does not require gradient."
                )
            asked.setdefault(variable.node, []).append((i, variable.node_index))
    was_recording = set_recording(create_graph)
    was_training = set_training(train_mode)
    try:
        for i in last_mentions(heads):
            head = <NDArray>heads[i]
            gradient = None if head_grads is None else head_grads[i]
            if gradient is None:
                gradient = fill("_ones", head.spec, head.ctx_)
            accumulate(pending, head.node, head.node_index, gradient)
        gradient = None
        order = sorted(pending, key=number_of, reverse=True)
        for node in order:
            slots = <list>pending.pop(node)
            if asked is not None and node in asked:
                for i, index in asked[node]:
                    results[i] = slots[index]
            if node.out_specs is None:
                if asked is None:
                    store(node, slots)
                continue
            for gradient in slots:
                if gradient is not None:
                    break
            else:
                if not acts_on_zeros(node, train_mode):
                    continue
                slots[0] = fill("_zeros", <Spec>node.out_specs[0], node.context)
            gradients = differentiate(node, slots, create_graph)
            slots = None
            for i in range(len(node.parents)):
                parent = node.parents[i]
                gradient = gradients[i]
                if parent is not None and gradient is not None:
                    accumulate(pending, <TapeNode>(<tuple>parent)[0], (<tuple>parent)[1], gradient)
            gradient = None
            gradients = None
        if results is not None:
            complete(results, variables, create_graph)
    finally:
        set_recording(was_recording)
        set_training(was_training)
    if not retain_graph:
        for node in order:
            if node.out_specs is not None:
                clear_node(node)
    return results


cdef int complete(list results, variables, bint create_graph) except -1:
    """Zeros for the variables that nothing reached; with `create_graph`, constants get a place in the graph."""
    cdef Py_ssize_t i
    cdef NDArray variable
    for i in range(len(results)):
        variable = <NDArray>variables[i]
        if results[i] is None:
            results[i] = fill("_zeros", variable.spec, variable.ctx_)
        if create_graph and (<NDArray>results[i]).node is None:
            # The slope of a straight line has a derivative too, and that is zero, however often one asks.
            results[i] = _like(results[i], variable)
    return 0


def number_of(TapeNode node):
    """Return a node's place in the order of recording."""
    return node.number
