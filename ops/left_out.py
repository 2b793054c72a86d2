"""What of MXNet 1.9.1 weft deliberately does not offer as an operator, and why."""

from .registry import leave_out

leave_out(
    ("_backward_*", "_contrib_backward_*", "_broadcast_backward", "_split_v2_backward"),
    "internal to MXNet's gradients; weft writes gradients with operators of its own",
)
leave_out(
    ("_contrib_dgl_*", "_contrib_edge_id", "_contrib_getnnz"),
    "works on sparse CSR graphs only; DGL carries its own implementation",
)
leave_out(
    ("_sparse_retain", "_sparse_adagrad_update"),
    "needs row-sparse storage, which weft does not have",
)
leave_out(("cast_storage", "_sparse_cast_storage"), "converts between storage types; weft arrays are dense")
leave_out(
    ("_sg_mkldnn_*", "_contrib_tvm_*", "_TensorRT", "_FusedOp*"),
    "a fused node that MXNet's graph passes insert; weft's passes have their own",
)
leave_out(
    ("_CachedOp*", "_NoGradient", "_CrossDeviceCopy", "_CustomFunction", "_NDArray", "_Native"),
    "a node type internal to MXNet's executor; weft's executor has its own means",
)
leave_out(("_cv*", "_npi_cv*", "_imdecode"), "an image function on OpenCV in MXNet; part of weft's image module, not an operator")
leave_out(
    ("_contrib_quantized_*", "_contrib_quantize_asym", "_contrib_calibrate_entropy"),
    "8-bit inference: weft computes in floating point; quantize, dequantize and requantize convert its data",
)
