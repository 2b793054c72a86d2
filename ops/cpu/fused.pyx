"""Kernels of fused element-wise operators: the loops of all steps, and how they are connected."""

from libc.stdint cimport int64_t
from libcpp.vector cimport vector

from ..kernel cimport CKernel, kernel_or_none
from .elementwise cimport DType, Loop, LoopSpec, OperandSpec

from ..builders import ShapeSpec
from .elementwise import describe_loop

cdef extern from "ops/cpu/fused.hpp" namespace "weft" nogil:
    cdef enum FusedKind "weft::FusedOperand::Kind":
        kArray "weft::FusedOperand::kArray"
        kResult "weft::FusedOperand::kResult"
        kDynamicScalar "weft::FusedOperand::kDynamicScalar"
        kFixedScalar "weft::FusedOperand::kFixedScalar"

    cdef cppclass FusedOperand:
        FusedKind kind
        int index
        double value
        DType type
        DType compute

    cdef cppclass FusedStep:
        Loop loop
        Loop stream_loop
        void* data
        vector[double] parameters
        int dynamic_parameters
        vector[FusedOperand] operands
        DType type
        DType compute
        double ns

    cdef cppclass FusedInput:
        int source
        DType type
        vector[int64_t] shape

    cdef cppclass FusedSpec:
        vector[int64_t] shape
        vector[FusedInput] inputs
        vector[FusedStep] steps
        vector[int] outputs

    CKernel* make_fused(const FusedSpec& spec)


def result_spec(op, attrs, in_specs):
    """Shape and dtype of the one result of an operator."""
    shapes, dtypes = op.infer(attrs, [tuple(item.shape) for item in in_specs], [item.dtype for item in in_specs])
    return ShapeSpec(tuple(shapes[0]), dtypes[0])


cdef int input_number(FusedSpec* spec, int source, OperandSpec& operand):
    """The fused input that is an array seen with a shape; made where there is none yet."""
    cdef FusedInput made
    cdef size_t j
    for j in range(spec.inputs.size()):
        if spec.inputs[j].source == source and spec.inputs[j].shape == operand.shape:
            return <int>j
    made.source = source
    made.type = operand.type
    made.shape = operand.shape
    spec.inputs.push_back(made)
    return <int>spec.inputs.size() - 1


cdef bint add_step(FusedSpec* spec, LoopSpec found, list operands, int n_inputs, int scalars) except -1:
    cdef FusedStep step
    cdef FusedOperand operand
    cdef size_t j
    cdef int source
    if found.spec.operands.size() != <size_t>found.spec.inputs + 1 or found.spec.operands[found.spec.inputs].shape != spec.shape:
        return False
    step.loop = found.spec.loop
    step.stream_loop = found.spec.stream_loop
    step.data = found.spec.data
    step.parameters = found.spec.parameters
    step.dynamic_parameters = scalars if found.spec.dynamic_parameters else -1
    step.type = found.spec.operands[found.spec.inputs].type
    step.compute = found.spec.operands[found.spec.inputs].compute
    step.ns = found.spec.ns
    for j in range(<size_t>found.spec.inputs):
        operand.type = found.spec.operands[j].type
        operand.compute = found.spec.operands[j].compute
        operand.value = found.spec.operands[j].value
        if found.spec.operands[j].source >= 0:
            source = operands[found.spec.operands[j].source]
            if source < n_inputs:
                operand.kind = kArray
                operand.index = input_number(spec, source, found.spec.operands[j])
            elif found.spec.operands[j].shape == spec.shape:
                operand.kind = kResult
                operand.index = source - n_inputs
            else:
                return False
        elif found.spec.operands[j].scalar >= 0:
            operand.kind = kDynamicScalar
            operand.index = scalars + found.spec.operands[j].scalar
        else:
            operand.kind = kFixedScalar
            operand.index = -1
        step.operands.push_back(operand)
    spec.steps.push_back(step)
    return True


def fused_builder(attrs, in_specs, out_specs):
    """Kernel of ``_fused``: None where a step is no element-wise loop."""
    from ..fused import parse

    cdef FusedSpec spec
    cdef LoopSpec found
    cdef int n_inputs = len(in_specs)
    expression = parse(attrs.expression)
    specs = list(in_specs)
    for extent in out_specs[0].shape:
        spec.shape.push_back(extent)
    for step in expression.steps:
        inputs = [specs[index] for index in step.operands]
        result = result_spec(step.op, step.attrs, inputs)
        found = describe_loop(step.op, step.attrs, inputs, [result])
        if found is None or not add_step(&spec, found, step.operands, n_inputs, step.scalars):
            return None
        specs.append(result)
    for index in expression.outputs:
        spec.outputs.push_back(index - n_inputs)
    return kernel_or_none(make_fused(spec))
