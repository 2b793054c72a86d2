"""Operators: declarations, shape and dtype rules, gradients and kernels."""
