"""Run declarations on plain NumPy arrays: kernels by the NumPy tier, gradients by the declared gradient functions."""

import contextlib
import sys

import numpy as np

from weft.ops import registry


def make_attrs(name, params, train, count=0):
    op = registry.get(name)
    params = dict(params or {})
    if op.variadic:
        params.setdefault(op.count_param, count)
    return op, op.attrs(params).with_(train=train)


def run(name, inputs, params=None, *, train=False, seed=0):
    """Return all outputs of an operator, hidden ones included."""
    op, attrs = make_attrs(name, params, train, len(inputs))
    return registry.reference_run(op, attrs, [np.asarray(x) for x in inputs], seed=seed)


class _ReferenceFunctions:
    """Stands for F: runs operators on NumPy arrays."""

    def __init__(self, train):
        self._train = train

    def __getattr__(self, name):
        def call(*inputs, **params):
            given = [argument for argument in registry.get(name).inputs if argument in params]
            inputs = [*inputs, *[params.pop(argument) for argument in given]]
            outputs = run(name, inputs, params, train=self._train)
            return outputs[0] if len(outputs) == 1 else outputs

        return call


class _Context:
    pass


@contextlib.contextmanager
def _reference_functions(train):
    modules = [m for n, m in list(sys.modules.items()) if n.startswith("weft.ops.") and hasattr(m, "F")]
    saved = [(m, m.F) for m in modules]
    for module in modules:
        module.F = _ReferenceFunctions(train)
    try:
        yield
    finally:
        for module, functions in saved:
            module.F = functions


def gradients(name, inputs, heads, params=None, *, train=True, needs=None, seed=0, outputs=None):
    """Return the gradients of the inputs for the given head gradients of the visible outputs."""
    op, attrs = make_attrs(name, params, train, len(inputs))
    inputs = [np.asarray(x) for x in inputs]
    context = _Context()
    context.inputs = inputs
    context.outputs = run(name, inputs, params, train=train, seed=seed) if outputs is None else outputs
    context.attrs = attrs
    context.needs = needs or [True] * len(inputs)
    heads = [*heads, *[None] * (op.count_outputs(attrs) - len(heads))]
    with _reference_functions(train):
        return op.gradient(context, *heads)


def check_gradient(name, inputs, params=None, *, train=True, skip=(), outputs=1, step=1e-5, rtol=1e-5, atol=1e-6, seed=0):
    """Compare the declared gradient with central differences, in float64, for a random head gradient."""
    rng = np.random.default_rng(17)
    inputs = [np.array(x, np.float64) if np.asarray(x).dtype.kind == "f" else np.asarray(x) for x in inputs]

    def forward():
        return run(name, [x.copy() for x in inputs], params, train=train, seed=seed)[:outputs]

    heads = [rng.standard_normal(out.shape) for out in forward()]
    found = gradients(name, [x.copy() for x in inputs], heads, params, train=train, seed=seed)
    for index, x in enumerate(inputs):
        if index in skip or x.dtype.kind != "f":
            continue
        expected = np.zeros_like(x)
        for place in np.ndindex(x.shape):
            kept = x[place]
            sums = []
            for sign in (1, -1):
                x[place] = kept + sign * step
                sums.append(sum(float((h * o).sum()) for h, o in zip(heads, forward())))
            x[place] = kept
            expected[place] = (sums[0] - sums[1]) / (2 * step)
        actual = found[index]
        assert actual is not None, f"input {index} of {name} has no gradient"
        np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol, err_msg=f"input {index} of {name} {params}")
