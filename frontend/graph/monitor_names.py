"""What monitors that see everything call the inputs of a node.

MXNet declares names for the inputs of most operators, and these are what symbols show. To the others its symbols give
the names of their documentation, but its monitors do not: there the input is ``input0``.
"""

from .ir import BACKWARD, Node

__all__ = ["input_names"]

# As MXNet 1.9.1 answers, operator by operator.
_UNNAMED = frozenset(
    """
    Activation BlockGrad Cast Flatten Reshape SoftmaxActivation _contrib_AdaptiveAvgPooling2D
    _contrib_arange_like _contrib_bipartite_matching _contrib_box_nms _contrib_div_sqrt_dim
    _contrib_gradientmultiplier _contrib_round_ste _contrib_sign_ste _copy _div_scalar _equal_scalar
    _greater_equal_scalar _greater_scalar _hypot_scalar _image_crop _image_flip_left_right
    _image_flip_top_bottom _image_resize _lesser_equal_scalar _lesser_scalar _logical_and_scalar
    _logical_or_scalar _logical_xor_scalar _maximum_scalar _minimum_scalar _minus_scalar _mod_scalar
    _mul_scalar _not_equal_scalar _plus_scalar _power_scalar _random_exponential_like _random_gamma_like
    _random_generalized_negative_binomial_like _random_negative_binomial_like _random_normal_like
    _random_poisson_like _random_uniform_like _rdiv_scalar _rminus_scalar _rmod_scalar _rpower_scalar
    _sample_multinomial _shuffle _slice_assign_scalar abs amp_cast arccos arccosh arcsin arcsinh arctan
    arctanh argmax argmax_channel argmin argsort broadcast_axis broadcast_to cbrt ceil clip cos cosh degrees
    erf erfinv exp expand_dims expm1 fix floor gamma gammaln hard_sigmoid log log10 log1p log2 logical_not
    make_loss max mean min nanprod nansum negative norm ones_like prod radians rcbrt reciprocal relu rint
    round rsqrt shape_array sigmoid sign sin sinh size_array slice slice_axis smooth_l1 softmin softsign sort
    sqrt square sum tan tanh topk transpose trunc zeros_like
    """.split()
)


def input_names(node: Node) -> tuple[str, ...]:
    """Return the names that a monitor puts behind that of the node.

    >>> import weft as mx
    >>> x = mx.sym.var("x", shape=(2,))
    >>> executor, seen = mx.sym.relu(mx.sym.dot(x, x, name="dot"), name="act").simple_bind(mx.cpu()), []
    >>> executor.set_monitor_callback(lambda name, array: seen.append(name), monitor_all=True)
    >>> _ = executor.forward()
    >>> seen
    ['x', 'dot_lhs', 'x', 'dot_rhs', 'dot_output', 'act_input0', 'act_output']
    """
    if node.part == BACKWARD or node.op.name in _UNNAMED:
        return tuple(f"input{i}" for i in range(len(node.inputs)))
    return tuple(node.op.input_names(node.attrs))
