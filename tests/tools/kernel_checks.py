"""What tests of data movement, products and updates share: both kernels of an operator, numeric gradients."""

import numpy as np

import weft as mx
from weft.ops import registry
from weft.ops.builders import ShapeSpec
from weft.ops.cpu.runner import run_kernel


def attributes(op, values, inputs):
    values = dict(values)
    if op.variadic:
        values.setdefault(op.count_param, len(inputs))
    return op.attrs(values)


def native_run(name, values, inputs):
    """Run an operator's native kernel by hand; None when there is none for these inputs."""
    op = registry.get(name)
    attrs = attributes(op, values, inputs)
    arrays = [np.ascontiguousarray(array) for array in inputs]
    shapes, dtypes = op.infer(attrs, [array.shape for array in arrays], [array.dtype for array in arrays])
    outputs = [np.full(shape, 99).astype(dtype) for shape, dtype in zip(shapes, dtypes)]
    specs = [[ShapeSpec(array.shape, array.dtype) for array in group] for group in (arrays, outputs)]
    for builder in op.cpu:
        kernel = builder(attrs, *specs)
        if kernel is not None:
            run_kernel(kernel, arrays, outputs, attrs.scalars)
            return outputs
    return None


def both_run(name, values, inputs, *, native=True, rtol=0.0):
    """Run the NumPy and the native kernel, which must agree; return the first output, or all if there are several."""
    copies = [[np.array(array) for array in inputs] for _ in range(2)]
    expected = registry.reference_run(name, values, copies[0])
    found = native_run(name, values, copies[1])
    assert (found is not None) == native
    if found is not None:
        mutated = zip(*copies) if registry.get(name).mutates else ()
        for a, b in (*zip(expected, found), *mutated):
            assert a.shape == b.shape and a.dtype == b.dtype
            np.testing.assert_allclose(a.astype(np.float64), b.astype(np.float64), rtol=rtol, atol=rtol)
    return expected[0] if len(expected) == 1 else expected


def check_gradient(function, arrays, step=1e-5, rtol=1e-4, atol=1e-5):
    """Compare the gradient of a function of float64 arrays with central differences, for random head gradients."""
    inputs = [mx.nd.array(array, dtype="float64") for array in arrays]
    for array in inputs:
        array.attach_grad()
    with mx.autograd.record():
        outputs = function(*inputs)
    outputs = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
    heads = [np.random.standard_normal(out.shape) for out in outputs]
    mx.autograd.backward(outputs, [mx.nd.array(head, dtype="float64") for head in heads])

    def value(changed):
        arguments = [mx.nd.array(array, dtype="float64") for array in changed]
        for argument in arguments:
            argument.attach_grad()  # the function may differentiate by itself
        results = function(*arguments)
        results = results if isinstance(results, (list, tuple)) else [results]
        return sum(float((out.asnumpy() * head).sum()) for out, head in zip(results, heads))

    for number, array in enumerate(arrays):
        expected = np.zeros_like(array)
        for place in np.ndindex(*array.shape):
            around = []
            for sign in (1, -1):
                changed = [other.copy() for other in arrays]
                changed[number][place] += sign * step
                around.append(value(changed))
            expected[place] = (around[0] - around[1]) / (2 * step)
        np.testing.assert_allclose(inputs[number].grad.asnumpy(), expected, rtol=rtol, atol=atol)


def normal(*shape):
    return np.random.standard_normal(shape)
