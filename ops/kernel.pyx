"""Native kernels as Python objects, and NumPy functions as kernels."""

import numpy as np

cimport numpy as cnp
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.string cimport strncpy
from libcpp.vector cimport vector

from ..engine.cengine cimport enter_gil_wait, leave_gil_wait
from .errors import MXNetError

cnp.import_array()

cdef extern from "Python.h":
    ctypedef int PyGILState_STATE
    PyGILState_STATE PyGILState_Ensure() nogil
    void PyGILState_Release(PyGILState_STATE state) nogil
    int PyGILState_Check() nogil
    int Py_IsInitialized() nogil

cdef extern from *:
    """
    #include "ops/kernel.hpp"
    struct NumpyKernel : weft::Kernel {
      PyObject* call;
      NumpyKernel(int (*run_)(weft::Kernel*, const weft::RunArgs*), void (*destroy_)(weft::Kernel*),
                  double cost, PyObject* call_)
          : weft::Kernel(run_, destroy_, cost, weft::kKernelPython), call(call_) {}
    };
    static weft::Kernel* weft_new_numpy_kernel(int (*run)(weft::Kernel*, const weft::RunArgs*),
                                               void (*destroy)(weft::Kernel*), double cost,
                                               PyObject* call) {
      return new NumpyKernel(run, destroy, cost, call);
    }
    static void weft_delete_numpy_kernel(weft::Kernel* self) { delete static_cast<NumpyKernel*>(self); }
    """
    cdef cppclass NumpyKernel(CKernel):
        PyObject* call
    CKernel* weft_new_numpy_kernel(int (*run)(CKernel*, const RunArgs*) noexcept nogil,
                                   void (*destroy)(CKernel*) noexcept nogil, double cost, PyObject* call)
    void weft_delete_numpy_kernel(CKernel* self) nogil


cdef class Kernel:
    def __dealloc__(self):
        if self.pointer != NULL:
            kernel_release(self.pointer)

    @property
    def cost_ns(self):
        """Estimated time of one run on one core."""
        return self.pointer.cost_ns

    def run(self, inputs, outputs, scalars=(), seed=0, counter=0):
        """Run on the calling thread, outside the engine, on C-contiguous NumPy arrays: for tests and benches."""
        cdef vector[void*] ins, outs
        cdef vector[double] numbers = scalars
        cdef RunArgs args
        cdef bytearray error = bytearray(kErrorBytes)
        cdef int failed
        for array in inputs:
            ins.push_back(cnp.PyArray_DATA(array))
        for array in outputs:
            outs.push_back(cnp.PyArray_DATA(array))
        args.inputs, args.outputs, args.scalars = ins.data(), outs.data(), numbers.data()
        args.seed, args.counter = seed, counter
        args.error = error
        with nogil:
            failed = self.pointer.call(&args)
        if failed:
            raise MXNetError(bytes(error).rstrip(b"\0").decode(errors="replace"))


cdef Kernel wrap_kernel(CKernel* pointer):
    if pointer == NULL:
        raise MemoryError("no kernel")
    cdef Kernel kernel = Kernel.__new__(Kernel)
    kernel.pointer = pointer
    return kernel


cdef Kernel kernel_or_none(CKernel* pointer):
    return None if pointer == NULL else wrap_kernel(pointer)


cdef class NumpyCall:
    """What a NumPy kernel needs to build its arrays again at each run."""

    cdef object function, attrs, dynamic
    cdef tuple in_specs, out_specs
    cdef bint random

    cdef int run(self, const RunArgs* args) except -1:
        cdef Py_ssize_t i
        attrs = self.attrs
        if self.dynamic:
            values = {}
            i = 0
            for name, count in self.dynamic:
                if count < 0:
                    values[name] = args.scalars[i]
                    i += 1
                else:
                    values[name] = tuple([args.scalars[i + k] for k in range(count)])
                    i += count
            attrs = attrs.with_(**values)
        if self.random:
            attrs = attrs.with_(rng=np.random.Generator(np.random.Philox(key=args.seed, counter=[0, 0, 0, args.counter])))
        inputs = [array_at(args.inputs[i], self.in_specs[i]) for i in range(len(self.in_specs))]
        outputs = [array_at(args.outputs[i], self.out_specs[i]) for i in range(len(self.out_specs))]
        with np.errstate(all="ignore"):
            self.function(attrs, inputs, outputs)
        return 0


cdef object array_at(void* data, object spec):
    cdef cnp.npy_intp dims[32]
    cdef int i
    shape = spec.shape
    for i in range(len(shape)):
        dims[i] = shape[i]
    dtype = spec.dtype
    return cnp.PyArray_SimpleNewFromData(<int>len(shape), dims, dtype.num, data)


cdef int run_numpy(CKernel* self, const RunArgs* args) noexcept nogil:
    cdef PyGILState_STATE state
    cdef int result
    if PyGILState_Check():
        with gil:
            return call_numpy(<NumpyCall>(<NumpyKernel*>self).call, args)
    enter_gil_wait()
    state = PyGILState_Ensure()
    leave_gil_wait()
    with gil:
        result = call_numpy(<NumpyCall>(<NumpyKernel*>self).call, args)
    PyGILState_Release(state)
    return result


cdef int call_numpy(NumpyCall call, const RunArgs* args) noexcept:
    try:
        call.run(args)
        return 0
    except BaseException as error:
        text = f"{type(error).__name__}: {error}".encode("utf-8", "replace")
        strncpy(args.error, text, kErrorBytes - 1)
        args.error[kErrorBytes - 1] = 0
        return 1


cdef void destroy_numpy(CKernel* self) noexcept nogil:
    cdef PyGILState_STATE state
    if Py_IsInitialized():
        state = PyGILState_Ensure()
        with gil:
            Py_XDECREF((<NumpyKernel*>self).call)
        PyGILState_Release(state)
    weft_delete_numpy_kernel(self)


cpdef Kernel numpy_kernel(object function, object attrs, object in_specs, object out_specs, double cost_ns):
    """Return a kernel that calls ``function(attrs, inputs, outputs)`` with NumPy views, under the GIL."""
    return make_numpy_kernel(function, attrs, in_specs, out_specs, cost_ns, (), False)


def make_numpy_kernel(function, attrs, in_specs, out_specs, double cost_ns, dynamic, bint random):
    """As numpy_kernel; ``dynamic`` lists ``(name, count)`` of parameters passed at each run, count -1 for a number."""
    cdef NumpyCall call = NumpyCall.__new__(NumpyCall)
    call.function = function
    call.attrs = attrs
    call.dynamic = tuple(dynamic)
    call.random = random
    call.in_specs = tuple(in_specs)
    call.out_specs = tuple(out_specs)
    Py_INCREF(call)
    return wrap_kernel(weft_new_numpy_kernel(run_numpy, destroy_numpy, cost_ns, <PyObject*>call))
