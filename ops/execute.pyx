"""One operator by its record, for those who hold attributes and want every output: interpreters of graphs.

Programs call operators through :mod:`weft.ops.dispatch`; it parses arguments, records gradients and hides outputs.
"""

from ..engine._engine cimport holds
from ..engine.cengine cimport in_task
from .array cimport NDArray, Spec, new_array
from .invoke cimport ArrayRef, Call
from .plans cimport Plan, plan_of
from .submission cimport choose_stream, start_call, submit

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
    cdef Call call
    cdef Plan plan
    cdef Py_ssize_t i, n = len(inputs)
    for array in inputs:
        if array.ctx_ is not (<NDArray>inputs[0]).ctx_:
            raise MXNetError(f"{op.name}: all inputs must be on one device, got {[(<NDArray>item).ctx_ for item in inputs]}")
        if in_task():
            holds(array.buffer, False)
    if n:
        context = (<NDArray>inputs[0]).ctx_
    elif context is None:
        context = current_context()
    if op.resolve is not None:
        attrs = op.resolve(attrs, inputs)
    plan = plan_of(op, attrs, [(<NDArray>item).spec for item in inputs])
    outputs = [new_array(<Spec>spec, context) for spec in plan.out_specs]
    refs = bytearray((n + plan.n_outputs + 1) * sizeof(ArrayRef))
    numbers = attrs.scalars
    scalars = bytearray((len(numbers) + 1) * sizeof(double))
    for i in range(len(numbers)):
        (<double*><char*>scalars)[i] = numbers[i]
    for i in range(n + plan.n_outputs):
        array = <NDArray>(inputs[i] if i < n else outputs[i - n])
        (<ArrayRef*><char*>refs)[i].buffer = array.buffer
        (<ArrayRef*><char*>refs)[i].offset = array.offset
    start_call(&call, plan, <ArrayRef*><char*>refs, <double*><char*>scalars, len(numbers), context)
    choose_stream(&call)
    call.fresh_outputs = True
    submit(plan, &call)
    return outputs
