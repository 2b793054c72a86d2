"""Operators of ``mx.nd``; written by tools/operator_stubs.py from their declarations."""

from typing import Any

def Activation(data: Any = ..., act_type: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Apply one of five functions to each element: relu ``max(x, 0)``, sigmoid ``1 / (1 + exp(-x))``, softrelu ``log(1 + exp(x))``, softsign ``x / (1 + |x|)`` or tanh."""
def BatchNorm(data: Any = ..., gamma: Any = ..., beta: Any = ..., moving_mean: Any = ..., moving_var: Any = ..., eps: Any = 0.001, momentum: Any = 0.9, fix_gamma: Any = True, use_global_stats: Any = False, output_mean_var: Any = False, axis: Any = 1, cudnn_off: Any = False, min_calib_range: Any = None, max_calib_range: Any = None, out: Any = None, name: Any = None) -> Any:
    """Normalize each channel to mean zero and variance one, then scale by gamma and shift by beta: ``(data - mean) / sqrt(var + eps) * gamma + beta``."""
def BatchNorm_v1(data: Any = ..., gamma: Any = ..., beta: Any = ..., moving_mean: Any = ..., moving_var: Any = ..., eps: Any = 0.001, momentum: Any = 0.9, fix_gamma: Any = True, use_global_stats: Any = False, output_mean_var: Any = False, out: Any = None, name: Any = None) -> Any:
    """Normalize each channel to mean zero and variance one, then scale by gamma and shift by beta: ``(data - mean) / sqrt(var + eps) * gamma + beta``."""
def BilinearSampler(data: Any = ..., grid: Any = ..., cudnn_off: Any = None, out: Any = None, name: Any = None) -> Any:
    """Read images at the places of a grid by bilinear interpolation; outside of the image there are zeros."""
def BlockGrad(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Copy of the input through which no gradient flows back."""
def CTCLoss(data: Any = ..., label: Any = ..., data_lengths: Any = None, label_lengths: Any = None, use_data_lengths: Any = False, use_label_lengths: Any = False, blank_label: Any = 'first', out: Any = None, name: Any = None) -> Any:
    """Connectionist temporal classification: minus the log probability that data, read as scores of classes at each time step (time, batch, classes), emits the label sequence with blanks and repetitions removed."""
def Cast(data: Any = ..., dtype: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Convert to another dtype; floating-point numbers are truncated towards zero for integers."""
def Concat(*data: Any, num_args: Any = ..., dim: Any = 1, out: Any = None, name: Any = None) -> Any:
    """Join arrays along an axis."""
def Convolution(data: Any = ..., weight: Any = None, bias: Any = None, kernel: Any = ..., stride: Any = (), dilate: Any = (), pad: Any = (), num_filter: Any = ..., num_group: Any = 1, workspace: Any = 1024, no_bias: Any = False, cudnn_tune: Any = None, cudnn_off: Any = False, layout: Any = None, out: Any = None, name: Any = None) -> Any:
    """Convolution of data (batch, channel, spatial...) with weight (num_filter, channel / num_group, *kernel), as neural networks mean it: ``out[n, f, p] = bias[f] + sum_{c, k} data[n, c, p * stride + k * dilate - pad] * weight[f, c, k]``."""
def Convolution_v1(data: Any = ..., weight: Any = None, bias: Any = None, kernel: Any = ..., stride: Any = (), dilate: Any = (), pad: Any = (), num_filter: Any = ..., num_group: Any = 1, workspace: Any = 1024, no_bias: Any = False, cudnn_tune: Any = None, cudnn_off: Any = False, layout: Any = None, out: Any = None, name: Any = None) -> Any:
    """Convolution of data (batch, channel, spatial...) with weight (num_filter, channel / num_group, *kernel), as neural networks mean it: ``out[n, f, p] = bias[f] + sum_{c, k} data[n, c, p * stride + k * dilate - pad] * weight[f, c, k]``."""
def Correlation(data1: Any = ..., data2: Any = ..., kernel_size: Any = 1, max_displacement: Any = 1, stride1: Any = 1, stride2: Any = 1, pad_size: Any = 0, is_multiply: Any = True, out: Any = None, name: Any = None) -> Any:
    """Compare patches of one image with displaced patches of another (FlowNet): one channel for each displacement."""
def Crop(*data: Any, offset: Any = (0, 0), h_w: Any = (0, 0), center_crop: Any = False, out: Any = None, name: Any = None) -> Any:
    """Crop images (batch, channel, height, width) to ``h_w``, or to the height and width of a second array."""
def Deconvolution(data: Any = ..., weight: Any = None, bias: Any = None, kernel: Any = ..., stride: Any = (), dilate: Any = (), pad: Any = (), adj: Any = (), target_shape: Any = (), num_filter: Any = ..., num_group: Any = 1, workspace: Any = 512, no_bias: Any = True, cudnn_tune: Any = None, cudnn_off: Any = False, layout: Any = None, out: Any = None, name: Any = None) -> Any:
    """Transposed convolution: the adjoint of Convolution in its data, with weight (channel, num_filter / num_group, *kernel)."""
def Dropout(data: Any = ..., p: Any = 0.5, mode: Any = 'training', axes: Any = (), cudnn_off: Any = False, out: Any = None, name: Any = None) -> Any:
    """Set a random share ``p`` of the elements to zero and scale the others by ``1 / (1 - p)``; outside of training return the data unchanged."""
def ElementWiseSum(*args: Any, out: Any = None, name: Any = None) -> Any:
    """Sum of any number of arrays of one shape."""
def Embedding(data: Any = ..., weight: Any = ..., input_dim: Any = ..., output_dim: Any = ..., dtype: Any = ..., sparse_grad: Any = False, out: Any = None, name: Any = None) -> Any:
    """Look rows of a weight matrix up by number."""
def Flatten(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Join all axes but the first: (d1, d2, ..., dk) becomes (d1, d2*...*dk)."""
def FullyConnected(data: Any = ..., weight: Any = None, bias: Any = None, num_hidden: Any = ..., no_bias: Any = False, flatten: Any = True, out: Any = None, name: Any = None) -> Any:
    """Affine map ``data @ weight.T + bias``: a fully connected (dense) layer."""
def GridGenerator(data: Any = ..., transform_type: Any = ..., target_shape: Any = (0, 0), out: Any = None, name: Any = None) -> Any:
    """Make a sampling grid for BilinearSampler from affine transformations (batch, 6) or from displacements in pixels (batch, 2, height, width)."""
def GroupNorm(data: Any = ..., gamma: Any = ..., beta: Any = ..., num_groups: Any = 1, eps: Any = 1e-05, output_mean_var: Any = False, out: Any = None, name: Any = None) -> Any:
    """Normalize groups of channels of each sample, then scale and shift each group by its gamma and beta."""
def IdentityAttachKLSparseReg(data: Any = ..., moving_avg: Any = ..., sparseness_target: Any = 0.1, penalty: Any = 0.001, momentum: Any = 0.9, out: Any = None, name: Any = None) -> Any:
    """Return the data (activations between 0 and 1); the gradient gets the Kullback-Leibler divergence of their running mean from a target added, which makes them sparse."""
def InstanceNorm(data: Any = ..., gamma: Any = ..., beta: Any = ..., eps: Any = 0.001, out: Any = None, name: Any = None) -> Any:
    """Normalize each channel of each sample over its spatial axes, then scale by gamma and shift by beta."""
def L2Normalization(data: Any = ..., eps: Any = 1e-10, mode: Any = 'instance', out: Any = None, name: Any = None) -> Any:
    """Divide by the Euclidean norm ``sqrt(sum(data ** 2) + eps)`` over the axes that ``mode`` names."""
def LRN(data: Any = ..., alpha: Any = 0.0001, beta: Any = 0.75, knorm: Any = 2.0, nsize: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Local response normalization: ``data / (knorm + alpha / nsize * sum of squares of nsize neighbouring channels) ** beta``."""
def LayerNorm(data: Any = ..., gamma: Any = ..., beta: Any = ..., axis: Any = -1, eps: Any = 1e-05, output_mean_var: Any = False, out: Any = None, name: Any = None) -> Any:
    """Normalize along one axis of each sample: ``(data - mean) / sqrt(var + eps) * gamma + beta``."""
def LeakyReLU(data: Any = ..., gamma: Any = None, act_type: Any = 'leaky', slope: Any = 0.25, lower_bound: Any = 0.125, upper_bound: Any = 0.334, out: Any = None, name: Any = None) -> Any:
    """Rectifiers that let something through below zero: leaky ``slope * x``, elu ``slope * (exp(x) - 1)``, selu (elu with fixed scales), prelu (a learnt slope ``gamma`` for each channel), rrelu (a random slope when training, the mean slope otherwise; the slopes are the second output), and gelu ``x * Phi(x)``."""
def LinearRegressionOutput(data: Any = ..., label: Any = ..., grad_scale: Any = 1.0, out: Any = None, name: Any = None) -> Any:
    """Return the data; the gradient is that of the squared error, ``(data - label) / outputs per sample``."""
def LogisticRegressionOutput(data: Any = ..., label: Any = ..., grad_scale: Any = 1.0, out: Any = None, name: Any = None) -> Any:
    """Return the sigmoid of the data; the gradient is that of the logistic loss, ``(sigmoid(data) - label) / outputs per sample``."""
def MAERegressionOutput(data: Any = ..., label: Any = ..., grad_scale: Any = 1.0, out: Any = None, name: Any = None) -> Any:
    """Return the data; the gradient is that of the absolute error, ``1`` where data exceeds the label and ``-1`` elsewhere, divided by the outputs per sample."""
def MakeLoss(data: Any = ..., grad_scale: Any = 1.0, valid_thresh: Any = 0.0, normalization: Any = 'null', out: Any = None, name: Any = None) -> Any:
    """Return the data and make it a loss: its gradient is ``grad_scale``, whatever the gradient of the output."""
def Pad(data: Any = ..., mode: Any = ..., pad_width: Any = ..., constant_value: Any = 0.0, out: Any = None, name: Any = None) -> Any:
    """Pad images or volumes (batch, channel, [depth,] height, width) on all axes but the first two."""
def Pooling(data: Any = ..., kernel: Any = (), pool_type: Any = 'max', global_pool: Any = False, cudnn_off: Any = False, pooling_convention: Any = 'valid', stride: Any = (), pad: Any = (), p_value: Any = None, count_include_pad: Any = None, layout: Any = None, out: Any = None, name: Any = None) -> Any:
    """Pooling: the maximum, average, sum or p-norm of each window of the spatial axes."""
def Pooling_v1(data: Any = ..., kernel: Any = (), pool_type: Any = 'max', global_pool: Any = False, pooling_convention: Any = 'valid', stride: Any = (), pad: Any = (), out: Any = None, name: Any = None) -> Any:
    """Pooling: the maximum, average, sum or p-norm of each window of the spatial axes."""
def RNN(data: Any = ..., parameters: Any = None, state: Any = None, state_cell: Any = None, sequence_length: Any = None, state_size: Any = ..., num_layers: Any = ..., bidirectional: Any = False, mode: Any = ..., p: Any = 0.0, state_outputs: Any = False, projection_size: Any = None, lstm_state_clip_min: Any = None, lstm_state_clip_max: Any = None, lstm_state_clip_nan: Any = False, use_sequence_length: Any = False, out: Any = None, name: Any = None) -> Any:
    """Recurrent network over sequences: one or more stacked layers of tanh or relu cells, LSTM or GRU, in one or both directions."""
def ROIPooling(data: Any = ..., rois: Any = ..., pooled_size: Any = ..., spatial_scale: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Maximum over the bins of a grid laid over each region, with corners rounded to whole pixels."""
def Reshape(data: Any = ..., shape: Any = (), reverse: Any = False, target_shape: Any = (), keep_highest: Any = False, out: Any = None, name: Any = None) -> Any:
    """Give an array another shape, elements in the same order."""
def SVMOutput(data: Any = ..., label: Any = ..., margin: Any = 1.0, regularization_coefficient: Any = 1.0, use_linear: Any = False, out: Any = None, name: Any = None) -> Any:
    """Return the data; the gradient is that of the one-against-all hinge loss or its square."""
def SequenceLast(data: Any = ..., sequence_length: Any = None, use_sequence_length: Any = False, axis: Any = 0, out: Any = None, name: Any = None) -> Any:
    """Take the last element of each sequence."""
def SequenceMask(data: Any = ..., sequence_length: Any = None, use_sequence_length: Any = False, value: Any = 0.0, axis: Any = 0, out: Any = None, name: Any = None) -> Any:
    """Overwrite everything behind the end of each sequence with one value."""
def SequenceReverse(data: Any = ..., sequence_length: Any = None, use_sequence_length: Any = False, axis: Any = 0, out: Any = None, name: Any = None) -> Any:
    """Reverse the order of time within the length of each sequence; what lies behind stays."""
def SliceChannel(data: Any = ..., num_outputs: Any = ..., axis: Any = 1, squeeze_axis: Any = False, out: Any = None, name: Any = None) -> Any:
    """Split an array into equal parts along an axis."""
def Softmax(data: Any = ..., label: Any = ..., grad_scale: Any = 1.0, ignore_label: Any = -1.0, multi_output: Any = False, use_ignore: Any = False, preserve_shape: Any = False, normalization: Any = 'null', out_grad: Any = False, smooth_alpha: Any = 0.0, out: Any = None, name: Any = None) -> Any:
    """Softmax over the classes."""
def SoftmaxActivation(data: Any = ..., mode: Any = 'instance', out: Any = None, name: Any = None) -> Any:
    """Softmax over axis 1 (``mode="channel"``) or over the last axis (``mode="instance"``); kept for old programs."""
def SoftmaxOutput(data: Any = ..., label: Any = ..., grad_scale: Any = 1.0, ignore_label: Any = -1.0, multi_output: Any = False, use_ignore: Any = False, preserve_shape: Any = False, normalization: Any = 'null', out_grad: Any = False, smooth_alpha: Any = 0.0, out: Any = None, name: Any = None) -> Any:
    """Softmax over the classes."""
def SpatialTransformer(data: Any = ..., loc: Any = ..., target_shape: Any = (0, 0), transform_type: Any = ..., sampler_type: Any = ..., cudnn_off: Any = None, out: Any = None, name: Any = None) -> Any:
    """Move, turn and scale images by affine transformations: GridGenerator followed by BilinearSampler."""
def SwapAxis(data: Any = ..., dim1: Any = 0, dim2: Any = 0, out: Any = None, name: Any = None) -> Any:
    """Exchange two axes of an array."""
def UpSampling(*data: Any, scale: Any = ..., num_filter: Any = 0, sample_type: Any = ..., multi_input_mode: Any = 'concat', num_args: Any = ..., workspace: Any = 512, out: Any = None, name: Any = None) -> Any:
    """Enlarge images ``scale`` times: by repeating elements, or as a transposed convolution with the second input as learnt weights (one kernel for each channel)."""
def abs(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Absolute value."""
def adam_update(weight: Any = ..., grad: Any = ..., mean: Any = ..., var: Any = ..., lr: Any = ..., beta1: Any = 0.9, beta2: Any = 0.999, epsilon: Any = 1e-08, wd: Any = 0.0, rescale_grad: Any = 1.0, clip_gradient: Any = -1.0, lazy_update: Any = True, out: Any = None, name: Any = None) -> Any:
    """Adam; the bias corrections are to be put into ``lr``."""
def add_n(*args: Any, out: Any = None, name: Any = None) -> Any:
    """Sum of any number of arrays of one shape."""
def all_finite(data: Any = ..., init_output: Any = True, out: Any = None, name: Any = None) -> Any:
    """1 if every element is finite, else 0."""
def amp_cast(data: Any = ..., dtype: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Convert floating-point inputs to the dtype of mixed-precision training; others pass unchanged."""
def amp_multicast(*data: Any, num_outputs: Any = ..., cast_narrow: Any = False, out: Any = None, name: Any = None) -> Any:
    """Convert all floating-point inputs to the widest (or narrowest) dtype among them."""
def arccos(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Inverse cosine, in radians."""
def arccosh(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Inverse hyperbolic cosine."""
def arcsin(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Inverse sine, in radians."""
def arcsinh(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Inverse hyperbolic sine."""
def arctan(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Inverse tangent, in radians."""
def arctanh(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Inverse hyperbolic tangent."""
def argmax(data: Any = ..., axis: Any = None, keepdims: Any = False, out: Any = None, name: Any = None) -> Any:
    """Index of the maximum along an axis."""
def argmax_channel(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Index of the maximum along axis 1, in the dtype of the input."""
def argmin(data: Any = ..., axis: Any = None, keepdims: Any = False, out: Any = None, name: Any = None) -> Any:
    """Index of the minimum along an axis."""
def argsort(data: Any = ..., axis: Any = -1, is_ascend: Any = True, dtype: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Indices that would sort the array along an axis; equal values keep their order."""
def batch_dot(lhs: Any = ..., rhs: Any = ..., transpose_a: Any = False, transpose_b: Any = False, forward_stype: Any = None, out: Any = None, name: Any = None) -> Any:
    """Matrix products of two stacks of matrices, one for each place along the leading axes."""
def batch_take(a: Any = ..., indices: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Take one element of each row: ``out[i] = a[i, indices[i]]``."""
def broadcast_add(lhs: Any = ..., rhs: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Sum of two arrays."""
def broadcast_axes(data: Any = ..., axis: Any = (), size: Any = (), out: Any = None, name: Any = None) -> Any:
    """Repeat an array along axes of length 1."""
def broadcast_axis(data: Any = ..., axis: Any = (), size: Any = (), out: Any = None, name: Any = None) -> Any:
    """Repeat an array along axes of length 1."""
def broadcast_div(lhs: Any = ..., rhs: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Quotient of two arrays; integers truncate towards zero."""
def broadcast_equal(lhs: Any = ..., rhs: Any = ..., out: Any = None, name: Any = None) -> Any:
    """1 where both are equal, else 0."""
def broadcast_greater(lhs: Any = ..., rhs: Any = ..., out: Any = None, name: Any = None) -> Any:
    """1 where the first is greater than the second, else 0."""
def broadcast_greater_equal(lhs: Any = ..., rhs: Any = ..., out: Any = None, name: Any = None) -> Any:
    """1 where the first is at least the second, else 0."""
def broadcast_hypot(lhs: Any = ..., rhs: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Length of the hypotenuse of a right-angled triangle, sqrt(a**2 + b**2)."""
def broadcast_lesser(lhs: Any = ..., rhs: Any = ..., out: Any = None, name: Any = None) -> Any:
    """1 where the first is less than the second, else 0."""
def broadcast_lesser_equal(lhs: Any = ..., rhs: Any = ..., out: Any = None, name: Any = None) -> Any:
    """1 where the first is at most the second, else 0."""
def broadcast_like(lhs: Any = ..., rhs: Any = ..., lhs_axes: Any = None, rhs_axes: Any = None, out: Any = None, name: Any = None) -> Any:
    """Broadcast the first array to the shape of the second, or along chosen axes."""
def broadcast_logical_and(lhs: Any = ..., rhs: Any = ..., out: Any = None, name: Any = None) -> Any:
    """1 where both are not zero, else 0."""
def broadcast_logical_or(lhs: Any = ..., rhs: Any = ..., out: Any = None, name: Any = None) -> Any:
    """1 where at least one is not zero, else 0."""
def broadcast_logical_xor(lhs: Any = ..., rhs: Any = ..., out: Any = None, name: Any = None) -> Any:
    """1 where exactly one is not zero, else 0."""
def broadcast_maximum(lhs: Any = ..., rhs: Any = ..., out: Any = None, name: Any = None) -> Any:
    """The larger of two numbers; where they are equal the gradient goes to the first."""
def broadcast_minimum(lhs: Any = ..., rhs: Any = ..., out: Any = None, name: Any = None) -> Any:
    """The smaller of two numbers; where they are equal the gradient goes to the first."""
def broadcast_minus(lhs: Any = ..., rhs: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Difference of two arrays."""
def broadcast_mod(lhs: Any = ..., rhs: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Remainder of a division, with the sign of the divisor; 0 for a divisor of 0."""
def broadcast_mul(lhs: Any = ..., rhs: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Product of two arrays."""
def broadcast_not_equal(lhs: Any = ..., rhs: Any = ..., out: Any = None, name: Any = None) -> Any:
    """1 where both differ, else 0."""
def broadcast_plus(lhs: Any = ..., rhs: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Sum of two arrays."""
def broadcast_power(lhs: Any = ..., rhs: Any = ..., out: Any = None, name: Any = None) -> Any:
    """First array raised to the power of the second."""
def broadcast_sub(lhs: Any = ..., rhs: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Difference of two arrays."""
def broadcast_to(data: Any = ..., shape: Any = (), out: Any = None, name: Any = None) -> Any:
    """Broadcast an array to a shape with as many dimensions."""
def cast(data: Any = ..., dtype: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Convert to another dtype; floating-point numbers are truncated towards zero for integers."""
def cbrt(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Cube root."""
def ceil(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Smallest integer not below x."""
def choose_element_0index(data: Any = ..., index: Any = ..., axis: Any = -1, keepdims: Any = False, mode: Any = 'clip', out: Any = None, name: Any = None) -> Any:
    """Pick one element along an axis at each place: ``out[i, j] = data[i, index[i, j], j]`` for axis 1."""
def clip(data: Any = ..., a_min: Any = ..., a_max: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Limit values to the interval [a_min, a_max]."""
def col2im(data: Any = ..., output_size: Any = ..., kernel: Any = ..., stride: Any = (), dilate: Any = (), pad: Any = (), out: Any = None, name: Any = None) -> Any:
    """Fold columns into images; what falls on the same place adds up."""
def concat(*data: Any, num_args: Any = ..., dim: Any = 1, out: Any = None, name: Any = None) -> Any:
    """Join arrays along an axis."""
def cos(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Cosine of an angle in radians."""
def cosh(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Hyperbolic cosine."""
def crop(data: Any = ..., begin: Any = ..., end: Any = ..., step: Any = (), out: Any = None, name: Any = None) -> Any:
    """Cut a block out of an array, as ``data[begin[0]:end[0]:step[0], begin[1]:end[1]:step[1], ...]`` does."""
def ctc_loss(data: Any = ..., label: Any = ..., data_lengths: Any = None, label_lengths: Any = None, use_data_lengths: Any = False, use_label_lengths: Any = False, blank_label: Any = 'first', out: Any = None, name: Any = None) -> Any:
    """Connectionist temporal classification: minus the log probability that data, read as scores of classes at each time step (time, batch, classes), emits the label sequence with blanks and repetitions removed."""
def cumsum(a: Any = ..., axis: Any = None, dtype: Any = None, out: Any = None, name: Any = None) -> Any:
    """Running sums along an axis."""
def degrees(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Radians to degrees."""
def depth_to_space(data: Any = ..., block_size: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Move channels into blocks of pixels: (n, c, h, w) becomes (n, c/b**2, h*b, w*b)."""
def diag(data: Any = ..., k: Any = 0, axis1: Any = 0, axis2: Any = 1, out: Any = None, name: Any = None) -> Any:
    """Extract a diagonal, or build a square matrix from a vector."""
def dot(lhs: Any = ..., rhs: Any = ..., transpose_a: Any = False, transpose_b: Any = False, forward_stype: Any = None, out: Any = None, name: Any = None) -> Any:
    """Matrix product of two arrays."""
def elemwise_add(lhs: Any = ..., rhs: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Sum of two arrays."""
def elemwise_div(lhs: Any = ..., rhs: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Quotient of two arrays; integers truncate towards zero."""
def elemwise_mul(lhs: Any = ..., rhs: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Product of two arrays."""
def elemwise_sub(lhs: Any = ..., rhs: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Difference of two arrays."""
def erf(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Gauss error function."""
def erfinv(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Inverse of the Gauss error function on (-1, 1)."""
def exp(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Exponential function."""
def expand_dims(data: Any = ..., axis: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Insert an axis of size 1."""
def expm1(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """exp(x) - 1, exact for small x."""
def fill_element_0index(lhs: Any = ..., mhs: Any = ..., rhs: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Return the matrix ``lhs`` with ``out[i, rhs[i]] = mhs[i]``."""
def fix(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Nearest integer towards zero."""
def flatten(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Join all axes but the first: (d1, d2, ..., dk) becomes (d1, d2*...*dk)."""
def flip(data: Any = ..., axis: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Reverse the order of the elements along the given axes."""
def floor(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Largest integer not above x."""
def ftml_update(weight: Any = ..., grad: Any = ..., d: Any = ..., v: Any = ..., z: Any = ..., lr: Any = ..., beta1: Any = 0.6, beta2: Any = 0.999, epsilon: Any = 1e-08, t: Any = ..., wd: Any = 0.0, rescale_grad: Any = 1.0, clip_grad: Any = -1.0, out: Any = None, name: Any = None) -> Any:
    """Follow the moving leader, Zheng and Kwok (2017)."""
def ftrl_update(weight: Any = ..., grad: Any = ..., z: Any = ..., n: Any = ..., lr: Any = ..., lamda1: Any = 0.01, beta: Any = 1.0, wd: Any = 0.0, rescale_grad: Any = 1.0, clip_gradient: Any = -1.0, out: Any = None, name: Any = None) -> Any:
    """Follow the regularized leader, McMahan and others (2013)."""
def gamma(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Gamma function."""
def gammaln(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Logarithm of the absolute value of the gamma function."""
def gather_nd(data: Any = ..., indices: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Gather elements or slices: ``out[j] = data[indices[0, j], ..., indices[m-1, j]]``."""
def hard_sigmoid(data: Any = ..., alpha: Any = 0.2, beta: Any = 0.5, out: Any = None, name: Any = None) -> Any:
    """Piecewise linear sigmoid: min(max(alpha * x + beta, 0), 1)."""
def identity(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Copy of the input."""
def im2col(data: Any = ..., kernel: Any = ..., stride: Any = (), dilate: Any = (), pad: Any = (), out: Any = None, name: Any = None) -> Any:
    """Unfold images into columns, one for each place of a sliding window."""
def khatri_rao(*args: Any, out: Any = None, name: Any = None) -> Any:
    """Khatri-Rao product: column by column the Kronecker product of the columns of all inputs."""
def lamb_update_phase1(weight: Any = ..., grad: Any = ..., mean: Any = ..., var: Any = ..., beta1: Any = 0.9, beta2: Any = 0.999, epsilon: Any = 1e-06, t: Any = ..., bias_correction: Any = True, wd: Any = ..., rescale_grad: Any = 1.0, clip_gradient: Any = -1.0, out: Any = None, name: Any = None) -> Any:
    """First phase of LAMB, You and others (2020): update the means and return the direction of the step."""
def lamb_update_phase2(weight: Any = ..., g: Any = ..., r1: Any = ..., r2: Any = ..., lr: Any = ..., lower_bound: Any = -1.0, upper_bound: Any = -1.0, out: Any = None, name: Any = None) -> Any:
    """Second phase of LAMB: take the step, with the learning rate times the ratio of the norms."""
def linalg_det(A: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Determinants."""
def linalg_extractdiag(A: Any = ..., offset: Any = 0, out: Any = None, name: Any = None) -> Any:
    """Diagonals of square matrices."""
def linalg_extracttrian(A: Any = ..., offset: Any = 0, lower: Any = True, out: Any = None, name: Any = None) -> Any:
    """Triangles of square matrices, packed into rows."""
def linalg_gelqf(A: Any = ..., out: Any = None, name: Any = None) -> Any:
    """LQ factorization ``A = L Q``: returns Q with orthonormal rows and the lower triangular L."""
def linalg_gemm(A: Any = ..., B: Any = ..., C: Any = ..., transpose_a: Any = False, transpose_b: Any = False, alpha: Any = 1.0, beta: Any = 1.0, axis: Any = -2, out: Any = None, name: Any = None) -> Any:
    """Matrix products plus matrices: ``alpha * op(A) op(B) + beta * C``."""
def linalg_gemm2(A: Any = ..., B: Any = ..., transpose_a: Any = False, transpose_b: Any = False, alpha: Any = 1.0, axis: Any = -2, out: Any = None, name: Any = None) -> Any:
    """Matrix products: ``alpha * op(A) op(B)``."""
def linalg_inverse(A: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Inverse matrices."""
def linalg_makediag(A: Any = ..., offset: Any = 0, out: Any = None, name: Any = None) -> Any:
    """Square matrices with the given diagonals."""
def linalg_maketrian(A: Any = ..., offset: Any = 0, lower: Any = True, out: Any = None, name: Any = None) -> Any:
    """Triangular square matrices with the given packed entries."""
def linalg_potrf(A: Any = ..., lower: Any = True, out: Any = None, name: Any = None) -> Any:
    """Cholesky factors: lower triangular L with ``A = L L^T``, or upper triangular U with ``A = U^T U``."""
def linalg_potri(A: Any = ..., lower: Any = True, out: Any = None, name: Any = None) -> Any:
    """Inverse of the matrices with the given Cholesky factors: ``(A A^T)^-1``, of upper ones ``(A^T A)^-1``."""
def linalg_slogdet(A: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Signs of determinants and logarithms of their absolute values."""
def linalg_sumlogdiag(A: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Sums of the logarithms of the diagonals."""
def linalg_syevd(A: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Eigenvalues and eigenvectors of symmetric matrices: ``A = U^T diag(L) U``; returns U, whose rows are the eigenvectors, and L, rising."""
def linalg_syrk(A: Any = ..., transpose: Any = False, alpha: Any = 1.0, out: Any = None, name: Any = None) -> Any:
    """Product of matrices with their own transpose: ``alpha * A A^T``."""
def linalg_trmm(A: Any = ..., B: Any = ..., transpose: Any = False, rightside: Any = False, lower: Any = True, alpha: Any = 1.0, out: Any = None, name: Any = None) -> Any:
    """Products with triangular matrices: ``alpha * op(A) B``, or ``alpha * B op(A)`` with rightside."""
def linalg_trsm(A: Any = ..., B: Any = ..., transpose: Any = False, rightside: Any = False, lower: Any = True, alpha: Any = 1.0, out: Any = None, name: Any = None) -> Any:
    """Solve ``op(A) X = alpha * B`` for X, or ``X op(A) = alpha * B`` with rightside."""
def log(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Natural logarithm."""
def log10(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Logarithm to base 10."""
def log1p(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """log(1 + x), exact for small x."""
def log2(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Logarithm to base 2."""
def log_softmax(data: Any = ..., axis: Any = -1, temperature: Any = None, dtype: Any = None, use_length: Any = False, out: Any = None, name: Any = None) -> Any:
    """Logarithm of softmax, computed without overflow."""
def logical_not(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """1 where the input is zero, 0 elsewhere."""
def make_loss(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Copy of the input that is taken as a loss: its gradient is one, whatever comes from above."""
def max(data: Any = ..., axis: Any = None, keepdims: Any = False, exclude: Any = False, out: Any = None, name: Any = None) -> Any:
    """Maximum over axes; every place that holds it gets the whole gradient."""
def max_axis(data: Any = ..., axis: Any = None, keepdims: Any = False, exclude: Any = False, out: Any = None, name: Any = None) -> Any:
    """Maximum over axes; every place that holds it gets the whole gradient."""
def mean(data: Any = ..., axis: Any = None, keepdims: Any = False, exclude: Any = False, out: Any = None, name: Any = None) -> Any:
    """Mean over axes."""
def min(data: Any = ..., axis: Any = None, keepdims: Any = False, exclude: Any = False, out: Any = None, name: Any = None) -> Any:
    """Minimum over axes; every place that holds it gets the whole gradient."""
def min_axis(data: Any = ..., axis: Any = None, keepdims: Any = False, exclude: Any = False, out: Any = None, name: Any = None) -> Any:
    """Minimum over axes; every place that holds it gets the whole gradient."""
def moments(data: Any = ..., axes: Any = None, keepdims: Any = False, out: Any = None, name: Any = None) -> Any:
    """Mean and variance over axes."""
def mp_lamb_update_phase1(weight: Any = ..., grad: Any = ..., mean: Any = ..., var: Any = ..., weight32: Any = ..., beta1: Any = 0.9, beta2: Any = 0.999, epsilon: Any = 1e-06, t: Any = ..., bias_correction: Any = True, wd: Any = ..., rescale_grad: Any = 1.0, clip_gradient: Any = -1.0, out: Any = None, name: Any = None) -> Any:
    """First phase of LAMB, You and others (2020): update the means and return the direction of the step."""
def mp_lamb_update_phase2(weight: Any = ..., g: Any = ..., r1: Any = ..., r2: Any = ..., weight32: Any = ..., lr: Any = ..., lower_bound: Any = -1.0, upper_bound: Any = -1.0, out: Any = None, name: Any = None) -> Any:
    """Second phase of LAMB: take the step, with the learning rate times the ratio of the norms."""
def mp_nag_mom_update(weight: Any = ..., grad: Any = ..., mom: Any = ..., weight32: Any = ..., lr: Any = ..., momentum: Any = 0.0, wd: Any = 0.0, rescale_grad: Any = 1.0, clip_gradient: Any = -1.0, out: Any = None, name: Any = None) -> Any:
    """Nesterov's accelerated gradient: SGD with momentum, looking one step ahead."""
def mp_sgd_mom_update(weight: Any = ..., grad: Any = ..., mom: Any = ..., weight32: Any = ..., lr: Any = ..., momentum: Any = 0.0, wd: Any = 0.0, rescale_grad: Any = 1.0, clip_gradient: Any = -1.0, lazy_update: Any = True, out: Any = None, name: Any = None) -> Any:
    """SGD with momentum: ``mom = momentum * mom - lr * (clip(rescale_grad * grad) + wd * weight); weight += mom``."""
def mp_sgd_update(weight: Any = ..., grad: Any = ..., weight32: Any = ..., lr: Any = ..., wd: Any = 0.0, rescale_grad: Any = 1.0, clip_gradient: Any = -1.0, lazy_update: Any = True, out: Any = None, name: Any = None) -> Any:
    """SGD: ``weight -= lr * (clip(rescale_grad * grad) + wd * weight)``."""
def multi_all_finite(*data: Any, num_arrays: Any = 1, init_output: Any = True, out: Any = None, name: Any = None) -> Any:
    """1 if every element of every array is finite, else 0."""
def multi_lars(lrs: Any = ..., weights_sum_sq: Any = ..., grads_sum_sq: Any = ..., wds: Any = ..., eta: Any = ..., eps: Any = ..., rescale_grad: Any = 1.0, out: Any = None, name: Any = None) -> Any:
    """Return the learning rates of LARS, You and others (2017), for many weights."""
def multi_mp_sgd_mom_update(*data: Any, lrs: Any = ..., wds: Any = ..., momentum: Any = 0.0, rescale_grad: Any = 1.0, clip_gradient: Any = -1.0, num_weights: Any = 1, out: Any = None, name: Any = None) -> Any:
    """Update many weights by SGD in one call."""
def multi_mp_sgd_update(*data: Any, lrs: Any = ..., wds: Any = ..., rescale_grad: Any = 1.0, clip_gradient: Any = -1.0, num_weights: Any = 1, out: Any = None, name: Any = None) -> Any:
    """Update many weights by SGD in one call."""
def multi_sgd_mom_update(*data: Any, lrs: Any = ..., wds: Any = ..., momentum: Any = 0.0, rescale_grad: Any = 1.0, clip_gradient: Any = -1.0, num_weights: Any = 1, out: Any = None, name: Any = None) -> Any:
    """Update many weights by SGD in one call."""
def multi_sgd_update(*data: Any, lrs: Any = ..., wds: Any = ..., rescale_grad: Any = 1.0, clip_gradient: Any = -1.0, num_weights: Any = 1, out: Any = None, name: Any = None) -> Any:
    """Update many weights by SGD in one call."""
def multi_sum_sq(*data: Any, num_arrays: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Sum of squares of each array, as one float32 vector."""
def nag_mom_update(weight: Any = ..., grad: Any = ..., mom: Any = ..., lr: Any = ..., momentum: Any = 0.0, wd: Any = 0.0, rescale_grad: Any = 1.0, clip_gradient: Any = -1.0, out: Any = None, name: Any = None) -> Any:
    """Nesterov's accelerated gradient: SGD with momentum, looking one step ahead."""
def nanprod(data: Any = ..., axis: Any = None, keepdims: Any = False, exclude: Any = False, out: Any = None, name: Any = None) -> Any:
    """Product over axes, taking what is not a number as 1."""
def nansum(data: Any = ..., axis: Any = None, keepdims: Any = False, exclude: Any = False, out: Any = None, name: Any = None) -> Any:
    """Sum over axes, taking what is not a number as 0."""
def negative(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Negative, -x."""
def norm(data: Any = ..., ord: Any = 2, axis: Any = None, out_dtype: Any = None, keepdims: Any = False, out: Any = None, name: Any = None) -> Any:
    """Norm over axes: the sum of absolute values or the root of the sum of squares."""
def normal(loc: Any = 0.0, scale: Any = 1.0, shape: Any = None, ctx: Any = '', dtype: Any = None, out: Any = None, name: Any = None) -> Any:
    """Random numbers."""
def one_hot(indices: Any = ..., depth: Any = ..., on_value: Any = 1.0, off_value: Any = 0.0, dtype: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Turn class numbers into rows with ``on_value`` at the class and ``off_value`` elsewhere."""
def ones_like(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Array of ones with shape and dtype of the input."""
def pad(data: Any = ..., mode: Any = ..., pad_width: Any = ..., constant_value: Any = 0.0, out: Any = None, name: Any = None) -> Any:
    """Pad images or volumes (batch, channel, [depth,] height, width) on all axes but the first two."""
def pick(data: Any = ..., index: Any = ..., axis: Any = -1, keepdims: Any = False, mode: Any = 'clip', out: Any = None, name: Any = None) -> Any:
    """Pick one element along an axis at each place: ``out[i, j] = data[i, index[i, j], j]`` for axis 1."""
def preloaded_multi_mp_sgd_mom_update(*data: Any, momentum: Any = 0.0, rescale_grad: Any = 1.0, clip_gradient: Any = -1.0, num_weights: Any = 1, out: Any = None, name: Any = None) -> Any:
    """Update many weights by SGD, with learning rates and weight decays read from arrays."""
def preloaded_multi_mp_sgd_update(*data: Any, rescale_grad: Any = 1.0, clip_gradient: Any = -1.0, num_weights: Any = 1, out: Any = None, name: Any = None) -> Any:
    """Update many weights by SGD, with learning rates and weight decays read from arrays."""
def preloaded_multi_sgd_mom_update(*data: Any, momentum: Any = 0.0, rescale_grad: Any = 1.0, clip_gradient: Any = -1.0, num_weights: Any = 1, out: Any = None, name: Any = None) -> Any:
    """Update many weights by SGD, with learning rates and weight decays read from arrays."""
def preloaded_multi_sgd_update(*data: Any, rescale_grad: Any = 1.0, clip_gradient: Any = -1.0, num_weights: Any = 1, out: Any = None, name: Any = None) -> Any:
    """Update many weights by SGD, with learning rates and weight decays read from arrays."""
def prod(data: Any = ..., axis: Any = None, keepdims: Any = False, exclude: Any = False, out: Any = None, name: Any = None) -> Any:
    """Product over axes."""
def radians(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Degrees to radians."""
def random_exponential(lam: Any = 1.0, shape: Any = None, ctx: Any = '', dtype: Any = None, out: Any = None, name: Any = None) -> Any:
    """Random numbers."""
def random_gamma(alpha: Any = 1.0, beta: Any = 1.0, shape: Any = None, ctx: Any = '', dtype: Any = None, out: Any = None, name: Any = None) -> Any:
    """Random numbers."""
def random_generalized_negative_binomial(mu: Any = 1.0, alpha: Any = 1.0, shape: Any = None, ctx: Any = '', dtype: Any = None, out: Any = None, name: Any = None) -> Any:
    """Random numbers."""
def random_negative_binomial(k: Any = 1, p: Any = 1.0, shape: Any = None, ctx: Any = '', dtype: Any = None, out: Any = None, name: Any = None) -> Any:
    """Random numbers."""
def random_normal(loc: Any = 0.0, scale: Any = 1.0, shape: Any = None, ctx: Any = '', dtype: Any = None, out: Any = None, name: Any = None) -> Any:
    """Random numbers."""
def random_pdf_dirichlet(sample: Any = ..., alpha: Any = ..., is_log: Any = False, out: Any = None, name: Any = None) -> Any:
    """Density of the Dirichlet distribution at given samples."""
def random_pdf_exponential(sample: Any = ..., lam: Any = ..., is_log: Any = False, out: Any = None, name: Any = None) -> Any:
    """Density of the exponential distribution at given samples."""
def random_pdf_gamma(sample: Any = ..., alpha: Any = ..., beta: Any = ..., is_log: Any = False, out: Any = None, name: Any = None) -> Any:
    """Density of the gamma distribution at given samples."""
def random_pdf_generalized_negative_binomial(sample: Any = ..., mu: Any = ..., alpha: Any = ..., is_log: Any = False, out: Any = None, name: Any = None) -> Any:
    """Density of the generalized negative binomial distribution at given samples."""
def random_pdf_negative_binomial(sample: Any = ..., k: Any = ..., p: Any = ..., is_log: Any = False, out: Any = None, name: Any = None) -> Any:
    """Density of the negative binomial distribution at given samples."""
def random_pdf_normal(sample: Any = ..., mu: Any = ..., sigma: Any = ..., is_log: Any = False, out: Any = None, name: Any = None) -> Any:
    """Density of the normal distribution at given samples."""
def random_pdf_poisson(sample: Any = ..., lam: Any = ..., is_log: Any = False, out: Any = None, name: Any = None) -> Any:
    """Density of the poisson distribution at given samples."""
def random_pdf_uniform(sample: Any = ..., low: Any = ..., high: Any = ..., is_log: Any = False, out: Any = None, name: Any = None) -> Any:
    """Density of the uniform distribution at given samples."""
def random_poisson(lam: Any = 1.0, shape: Any = None, ctx: Any = '', dtype: Any = None, out: Any = None, name: Any = None) -> Any:
    """Random numbers."""
def random_randint(low: Any = ..., high: Any = ..., shape: Any = None, ctx: Any = '', dtype: Any = None, out: Any = None, name: Any = None) -> Any:
    """Random integers, uniformly distributed on [low, high)."""
def random_uniform(low: Any = 0.0, high: Any = 1.0, shape: Any = None, ctx: Any = '', dtype: Any = None, out: Any = None, name: Any = None) -> Any:
    """Random numbers."""
def ravel_multi_index(data: Any = ..., shape: Any = None, out: Any = None, name: Any = None) -> Any:
    """Turn rows of indices into flat, row-major indices."""
def rcbrt(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Inverse cube root."""
def reciprocal(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Reciprocal, 1 / x."""
def relu(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """max(x, 0)."""
def repeat(data: Any = ..., repeats: Any = ..., axis: Any = None, out: Any = None, name: Any = None) -> Any:
    """Repeat each element of an array."""
def reset_arrays(*data: Any, num_arrays: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Fill arrays with zeros in place."""
def reshape(data: Any = ..., shape: Any = (), reverse: Any = False, target_shape: Any = (), keep_highest: Any = False, out: Any = None, name: Any = None) -> Any:
    """Give an array another shape, elements in the same order."""
def reshape_like(lhs: Any = ..., rhs: Any = ..., lhs_begin: Any = None, lhs_end: Any = None, rhs_begin: Any = None, rhs_end: Any = None, out: Any = None, name: Any = None) -> Any:
    """Give ``lhs`` the shape of ``rhs``, or replace some of its axes by some of those of ``rhs``."""
def reverse(data: Any = ..., axis: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Reverse the order of the elements along the given axes."""
def rint(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Nearest integer; halves are rounded down."""
def rmsprop_update(weight: Any = ..., grad: Any = ..., n: Any = ..., lr: Any = ..., gamma1: Any = 0.95, epsilon: Any = 1e-08, wd: Any = 0.0, rescale_grad: Any = 1.0, clip_gradient: Any = -1.0, clip_weights: Any = -1.0, out: Any = None, name: Any = None) -> Any:
    """RMSProp as Tieleman and Hinton (2012) give it."""
def rmspropalex_update(weight: Any = ..., grad: Any = ..., n: Any = ..., g: Any = ..., delta: Any = ..., lr: Any = ..., gamma1: Any = 0.95, gamma2: Any = 0.9, epsilon: Any = 1e-08, wd: Any = 0.0, rescale_grad: Any = 1.0, clip_gradient: Any = -1.0, clip_weights: Any = -1.0, out: Any = None, name: Any = None) -> Any:
    """RMSProp with centred second moments and momentum, as Graves (2013) gives it."""
def round(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Nearest integer; halves are rounded away from zero."""
def rsqrt(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Inverse square root, 1 / sqrt(x)."""
def sample_exponential(lam: Any = ..., shape: Any = (), dtype: Any = None, out: Any = None, name: Any = None) -> Any:
    """Random numbers for arrays of parameters."""
def sample_gamma(alpha: Any = ..., beta: Any = ..., shape: Any = (), dtype: Any = None, out: Any = None, name: Any = None) -> Any:
    """Random numbers for arrays of parameters."""
def sample_generalized_negative_binomial(mu: Any = ..., alpha: Any = ..., shape: Any = (), dtype: Any = None, out: Any = None, name: Any = None) -> Any:
    """Random numbers for arrays of parameters."""
def sample_multinomial(data: Any = ..., shape: Any = (), get_prob: Any = False, dtype: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Random indices drawn with the probabilities along the last axis."""
def sample_negative_binomial(k: Any = ..., p: Any = ..., shape: Any = (), dtype: Any = None, out: Any = None, name: Any = None) -> Any:
    """Random numbers for arrays of parameters."""
def sample_normal(mu: Any = ..., sigma: Any = ..., shape: Any = (), dtype: Any = None, out: Any = None, name: Any = None) -> Any:
    """Random numbers for arrays of parameters."""
def sample_poisson(lam: Any = ..., shape: Any = (), dtype: Any = None, out: Any = None, name: Any = None) -> Any:
    """Random numbers for arrays of parameters."""
def sample_uniform(low: Any = ..., high: Any = ..., shape: Any = (), dtype: Any = None, out: Any = None, name: Any = None) -> Any:
    """Random numbers for arrays of parameters."""
def scatter_nd(data: Any = ..., indices: Any = ..., shape: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Scatter values into zeros: ``out[indices[0, j], ..., indices[m-1, j]] = data[j]``."""
def sgd_mom_update(weight: Any = ..., grad: Any = ..., mom: Any = ..., lr: Any = ..., momentum: Any = 0.0, wd: Any = 0.0, rescale_grad: Any = 1.0, clip_gradient: Any = -1.0, lazy_update: Any = True, out: Any = None, name: Any = None) -> Any:
    """SGD with momentum: ``mom = momentum * mom - lr * (clip(rescale_grad * grad) + wd * weight); weight += mom``."""
def sgd_update(weight: Any = ..., grad: Any = ..., lr: Any = ..., wd: Any = 0.0, rescale_grad: Any = 1.0, clip_gradient: Any = -1.0, lazy_update: Any = True, out: Any = None, name: Any = None) -> Any:
    """SGD: ``weight -= lr * (clip(rescale_grad * grad) + wd * weight)``."""
def shape_array(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Return the shape of an array as a one-dimensional int64 array."""
def shuffle(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Put the entries along the first axis into random order."""
def sigmoid(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Logistic function, 1 / (1 + exp(-x))."""
def sign(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Sign: -1, 0 or 1."""
def signsgd_update(weight: Any = ..., grad: Any = ..., lr: Any = ..., wd: Any = 0.0, rescale_grad: Any = 1.0, clip_gradient: Any = -1.0, out: Any = None, name: Any = None) -> Any:
    """SGD by signs: ``weight = (1 - lr * wd) * weight - lr * sign(grad)``."""
def signum_update(weight: Any = ..., grad: Any = ..., mom: Any = ..., lr: Any = ..., momentum: Any = 0.0, wd: Any = 0.0, rescale_grad: Any = 1.0, clip_gradient: Any = -1.0, wd_lh: Any = 0.0, out: Any = None, name: Any = None) -> Any:
    """Signum: a step of ``lr`` along the sign of the momentum."""
def sin(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Sine of an angle in radians."""
def sinh(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Hyperbolic sine."""
def size_array(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Return the number of elements of an array as an int64 array of shape (1,)."""
def slice(data: Any = ..., begin: Any = ..., end: Any = ..., step: Any = (), out: Any = None, name: Any = None) -> Any:
    """Cut a block out of an array, as ``data[begin[0]:end[0]:step[0], begin[1]:end[1]:step[1], ...]`` does."""
def slice_axis(data: Any = ..., axis: Any = ..., begin: Any = ..., end: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Keep a range of one axis."""
def slice_like(data: Any = ..., shape_like: Any = ..., axes: Any = (), out: Any = None, name: Any = None) -> Any:
    """Cut the end of each axis off, so that the sizes become those of another array."""
def smooth_l1(data: Any = ..., scalar: Any = 1.0, out: Any = None, name: Any = None) -> Any:
    """Huber-like loss: 0.5 * (s * x)**2 for |x| < 1 / s**2, else |x| - 0.5 / s**2."""
def softmax(data: Any = ..., length: Any = None, axis: Any = -1, temperature: Any = None, dtype: Any = None, use_length: Any = False, out: Any = None, name: Any = None) -> Any:
    """``exp(data / temperature)``, scaled so that it adds up to one along ``axis``."""
def softmax_cross_entropy(data: Any = ..., label: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Total cross entropy between the softmax of the rows of data and the classes in label, one number."""
def softmin(data: Any = ..., axis: Any = -1, temperature: Any = None, dtype: Any = None, use_length: Any = False, out: Any = None, name: Any = None) -> Any:
    """Softmax of the negated data: the smallest element gets the largest share."""
def softsign(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """x / (1 + |x|)."""
def sort(data: Any = ..., axis: Any = -1, is_ascend: Any = True, out: Any = None, name: Any = None) -> Any:
    """Sort along an axis; equal values keep their order."""
def space_to_depth(data: Any = ..., block_size: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Move blocks of pixels into channels: (n, c, h, w) becomes (n, c*b**2, h/b, w/b)."""
def split(data: Any = ..., num_outputs: Any = ..., axis: Any = 1, squeeze_axis: Any = False, out: Any = None, name: Any = None) -> Any:
    """Split an array into equal parts along an axis."""
def sqrt(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Square root."""
def square(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Square, x * x."""
def squeeze(data: Any = ..., axis: Any = None, out: Any = None, name: Any = None) -> Any:
    """Remove axes of size 1."""
def stack(*data: Any, axis: Any = 0, num_args: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Join arrays of equal shape along a new axis."""
def stop_gradient(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Copy of the input through which no gradient flows back."""
def sum(data: Any = ..., axis: Any = None, keepdims: Any = False, exclude: Any = False, out: Any = None, name: Any = None) -> Any:
    """Sum over axes."""
def sum_axis(data: Any = ..., axis: Any = None, keepdims: Any = False, exclude: Any = False, out: Any = None, name: Any = None) -> Any:
    """Sum over axes."""
def swapaxes(data: Any = ..., dim1: Any = 0, dim2: Any = 0, out: Any = None, name: Any = None) -> Any:
    """Exchange two axes of an array."""
def take(a: Any = ..., indices: Any = ..., axis: Any = 0, mode: Any = 'clip', out: Any = None, name: Any = None) -> Any:
    """Take the entries with the given indices along an axis; the shape of ``indices`` takes the axis's place."""
def tan(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Tangent of an angle in radians."""
def tanh(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Hyperbolic tangent."""
def tile(data: Any = ..., reps: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Repeat a whole array along each axis."""
def topk(data: Any = ..., axis: Any = -1, k: Any = 1, ret_typ: Any = 'indices', is_ascend: Any = False, dtype: Any = ..., out: Any = None, name: Any = None) -> Any:
    """The k largest or smallest along an axis, in order; of equal values the first come first."""
def transpose(data: Any = ..., axes: Any = (), out: Any = None, name: Any = None) -> Any:
    """Reorder the axes of an array."""
def trunc(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Nearest integer towards zero."""
def uniform(low: Any = 0.0, high: Any = 1.0, shape: Any = None, ctx: Any = '', dtype: Any = None, out: Any = None, name: Any = None) -> Any:
    """Random numbers."""
def unravel_index(data: Any = ..., shape: Any = None, out: Any = None, name: Any = None) -> Any:
    """Turn flat, row-major indices into rows of indices, one for each dimension."""
def where(condition: Any = ..., x: Any = ..., y: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Choose between the elements (or rows) of two arrays."""
def zeros_like(data: Any = ..., out: Any = None, name: Any = None) -> Any:
    """Array of zeros with shape and dtype of the input."""
