"""One operator by its record, for those who hold attributes and want every output: interpreters of graphs.

Programs call operators through :mod:`weft.ops.dispatch`; it parses arguments, records gradients and hides outputs.
"""

from libc.stdint cimport uint32_t
from libc.string cimport memset

from ..engine._engine cimport holds, push_site, throttle_if_needed
from ..engine.cengine cimport in_task
from .array cimport NDArray, Spec, new_array
from .invoke cimport ArrayRef, Call, push_call
from .modes cimport Generator, generator_of, thread_modes
from .plans cimport Plan, plan_of

from .context import current_context
from .errors import MXNetError


def execute(op, list inputs not None, attrs, context=None):
    """Run an operator and return all its outputs, hidden ones included; nothing is recorded.

    Parameters
    ----------
    op : Operator
        The operator; it need not be registered.
    inputs : list of NDArray
        Its inputs, all on one device. Those that the operator mutates are written.
    attrs : Attrs
        Its parameters, with their training mode.
    context : Context, optional
        Device of the outputs, where there are no inputs.

    Returns
    -------
    list of NDArray

    Examples
    --------
    >>> import weft as mx
    >>> from weft.ops import registry
    >>> from weft.ops.execute import execute
    >>> exp = registry.get("exp")
    >>> execute(exp, [mx.nd.zeros(2)], exp.attrs())[0].asnumpy()
    array([1., 1.], dtype=float32)
    """
    cdef NDArray array
    cdef Generator generator
    cdef Call call
    cdef Plan plan
    cdef Py_ssize_t i, n = len(inputs)
    cdef uint32_t site
    for array in inputs:
        if array.ctx_ is not (<NDArray>inputs[0]).ctx_:
            raise MXNetError(f"{op.name}: all inputs must be on one device, got {[(<NDArray>item).ctx_ for item in inputs]}")
        if in_task():
            holds(array.buffer, False)
    if n:
        context = (<NDArray>inputs[0]).ctx_
    elif context is None:
        context = current_context()
    plan = plan_of(op, attrs, [(<NDArray>item).spec for item in inputs])
    outputs = [new_array(<Spec>spec, context) for spec in plan.out_specs]
    refs = bytearray((n + plan.n_outputs + 1) * sizeof(ArrayRef))
    numbers = attrs.scalars
    scalars = bytearray((len(numbers) + 1) * sizeof(double))
    for i in range(len(numbers)):
        (<double*><char*>scalars)[i] = numbers[i]
    memset(&call, 0, sizeof(Call))
    call.info = plan.info
    call.inputs = <ArrayRef*><char*>refs
    call.outputs = call.inputs + n
    for i in range(n + plan.n_outputs):
        array = <NDArray>(inputs[i] if i < n else outputs[i - n])
        (<ArrayRef*><char*>refs)[i].buffer = array.buffer
        (<ArrayRef*><char*>refs)[i].offset = array.offset
        call.device = array.buffer.device
    if plan.any_mutated:
        call.mutated = <const unsigned char*><char*>plan.mutated
    call.scalars = <double*><char*>scalars
    call.n_inputs = <int>n
    call.n_outputs = plan.n_outputs
    call.n_scalars = len(numbers)
    call.cost_ns = plan.cost_ns
    call.priority = thread_modes().priority
    call.fresh_outputs = True
    if plan.random:
        generator = generator_of(context)
        call.seed = generator.seed
        call.counter = generator.counter
        generator.counter += 1
    site = push_site()
    throttle_if_needed()
    with nogil:
        push_call(call, site)
    return outputs
