"""DLPack: arrays shared with other libraries, without a copy.

An exported array is held like a reader: the engine's writers wait until whoever took the capsule lets go. What comes in
keeps its owner alive; weft's own capsules come back as a share of the same buffer, with the engine's full order.
"""

import numpy as np

cimport numpy as cnp
from cpython.pycapsule cimport PyCapsule_GetPointer, PyCapsule_IsValid, PyCapsule_New, PyCapsule_SetName
from libc.stdint cimport int32_t, int64_t, uint8_t, uint16_t, uint32_t, uint64_t

from ..engine._engine cimport wait_var
from ..engine.cengine cimport Buffer, var_retain
from .array cimport NDArray, Spec, data_pointer, get_spec, hold, share

from .array import empty, from_memory, from_numpy_copy
from .context import Context
from .errors import MXNetError

cnp.import_array()

cdef extern from *:
    """
    #include <cstdint>
    #include "engine/core/engine.hpp"

    // The layout is the DLPack standard's, versions 0 and 1.
    struct DLDevice { int32_t device_type; int32_t device_id; };
    struct DLDataType { uint8_t code; uint8_t bits; uint16_t lanes; };
    struct DLTensor {
      void* data;
      DLDevice device;
      int32_t ndim;
      DLDataType dtype;
      int64_t* shape;
      int64_t* strides;
      uint64_t byte_offset;
    };
    struct DLManagedTensor {
      DLTensor dl_tensor;
      void* manager_ctx;
      void (*deleter)(DLManagedTensor*);
    };
    struct DLPackVersion { uint32_t major; uint32_t minor; };
    struct DLManagedTensorVersioned {
      DLPackVersion version;
      void* manager_ctx;
      void (*deleter)(DLManagedTensorVersioned*);
      uint64_t flags;
      DLTensor dl_tensor;
    };

    // What an export owns: a reader's hold on the buffer, and room for shape and strides.
    struct WeftExport {
      weft::Buffer* buffer;
      int32_t device_type, device_id;  // weft's, for when the capsule comes back
      int64_t extents[64];
      union { DLManagedTensor old; DLManagedTensorVersioned versioned; };
    };

    // Called by whoever took the capsule, with or without the GIL.
    static void weft_export_drop(WeftExport* exported) {
      weft::release_read(exported->buffer);
      weft::var_release(exported->buffer);
      delete exported;
    }
    static void weft_delete_old(DLManagedTensor* tensor) {
      weft_export_drop(static_cast<WeftExport*>(tensor->manager_ctx));
    }
    static void weft_delete_versioned(DLManagedTensorVersioned* tensor) {
      weft_export_drop(static_cast<WeftExport*>(tensor->manager_ctx));
    }
    static void weft_call_deleter(DLManagedTensor* tensor) { if (tensor->deleter) tensor->deleter(tensor); }
    static void weft_call_deleter_versioned(DLManagedTensorVersioned* tensor) {
      if (tensor->deleter) tensor->deleter(tensor);
    }
    static bool weft_is_own(DLManagedTensor* tensor) { return tensor->deleter == weft_delete_old; }
    static bool weft_is_own_versioned(DLManagedTensorVersioned* tensor) {
      return tensor->deleter == weft_delete_versioned;
    }
    static WeftExport* weft_new_export() { return new WeftExport(); }
    """
    cdef struct DLDevice:
        int32_t device_type
        int32_t device_id

    cdef struct DLDataType:
        uint8_t code
        uint8_t bits
        uint16_t lanes

    cdef struct DLTensor:
        void* data
        DLDevice device
        int32_t ndim
        DLDataType dtype
        int64_t* shape
        int64_t* strides
        uint64_t byte_offset

    cdef struct DLManagedTensor:
        DLTensor dl_tensor
        void* manager_ctx
        void (*deleter)(DLManagedTensor*) noexcept

    cdef struct DLPackVersion:
        uint32_t major
        uint32_t minor

    cdef struct DLManagedTensorVersioned:
        DLPackVersion version
        void* manager_ctx
        void (*deleter)(DLManagedTensorVersioned*) noexcept
        uint64_t flags
        DLTensor dl_tensor

    cdef cppclass WeftExport:
        Buffer* buffer
        int32_t device_type
        int32_t device_id
        int64_t extents[64]
        DLManagedTensor old
        DLManagedTensorVersioned versioned

    void weft_delete_old(DLManagedTensor*) noexcept
    void weft_delete_versioned(DLManagedTensorVersioned*) noexcept
    void weft_call_deleter(DLManagedTensor*) noexcept
    void weft_call_deleter_versioned(DLManagedTensorVersioned*) noexcept
    bint weft_is_own(DLManagedTensor*) noexcept
    bint weft_is_own_versioned(DLManagedTensorVersioned*) noexcept
    WeftExport* weft_new_export()

cdef enum:
    CPU = 1
    CUDA = 2
    CUDA_HOST = 3
    READ_ONLY = 1
    IS_COPIED = 2

cdef const char* OLD = "dltensor"
cdef const char* OLD_USED = "used_dltensor"
cdef const char* VERSIONED = "dltensor_versioned"
cdef const char* VERSIONED_USED = "used_dltensor_versioned"

# DLPack's type codes: 0 int, 1 uint, 2 float, 6 bool.
cdef dict _codes = {"i": 0, "u": 1, "f": 2, "b": 6}
cdef dict _kinds = {0: "i", 1: "u", 2: "f", 6: "b"}


# --- going out ------------------------------------------------------------------------------------

cdef void drop_capsule(object capsule) noexcept:
    """A capsule that nobody took still owns its tensor."""
    if PyCapsule_IsValid(capsule, OLD):
        weft_call_deleter(<DLManagedTensor*>PyCapsule_GetPointer(capsule, OLD))
    elif PyCapsule_IsValid(capsule, VERSIONED):
        weft_call_deleter_versioned(<DLManagedTensorVersioned*>PyCapsule_GetPointer(capsule, VERSIONED))


cdef void fill_tensor(DLTensor* tensor, NDArray array, WeftExport* exported):
    cdef Spec spec = array.spec
    cdef int64_t stride = 1
    cdef int i
    for i in range(spec.ndim - 1, -1, -1):
        exported.extents[i] = spec.shape[i]
        exported.extents[32 + i] = stride
        stride *= exported.extents[i]
    tensor.data = data_pointer(array)
    tensor.device.device_type = CPU
    tensor.device.device_id = 0
    tensor.ndim = spec.ndim
    tensor.dtype.code = <uint8_t>_codes[spec.dtype.kind]
    tensor.dtype.bits = <uint8_t>(8 * spec.itemsize)
    tensor.dtype.lanes = 1
    tensor.shape = exported.extents
    tensor.strides = exported.extents + 32
    tensor.byte_offset = 0


def to_capsule(NDArray array not None, bint for_write=False, bint versioned=False, bint copied=False):
    """Return a DLPack capsule of an array, once its value is there.

    Parameters
    ----------
    array : NDArray
        The array; until the capsule, or what was made of it, is gone, the engine's writers wait.
    for_write : bool
        Whether whoever takes it may write: then nothing else uses the array at the time of the call.
    versioned : bool
        Whether to make a capsule of DLPack 1.0, which can say that it is read-only.
    copied : bool
        Whether the array was copied for the purpose, which DLPack 1.0 can say too.
    """
    cdef WeftExport* exported
    if array.ctx_.device_typeid == 2:
        raise BufferError(f"arrays on {array.ctx_} cannot be exported yet")
    if for_write:
        wait_var(array.buffer, True)
    hold(array, False)
    exported = weft_new_export()
    var_retain(array.buffer)
    # Never taken back: from now on somebody outside may know the storage, so it stays this array's.
    array.buffer.handles += 1
    exported.buffer = array.buffer
    exported.device_type = array.ctx_.device_typeid
    exported.device_id = array.ctx_.device_id
    if versioned:
        exported.versioned.version.major = 1
        exported.versioned.version.minor = 0
        exported.versioned.manager_ctx = exported
        exported.versioned.deleter = weft_delete_versioned
        exported.versioned.flags = (0 if for_write else READ_ONLY) | (IS_COPIED if copied else 0)
        fill_tensor(&exported.versioned.dl_tensor, array, exported)
        return PyCapsule_New(&exported.versioned, VERSIONED, drop_capsule)
    exported.old.manager_ctx = exported
    exported.old.deleter = weft_delete_old
    fill_tensor(&exported.old.dl_tensor, array, exported)
    return PyCapsule_New(&exported.old, OLD, drop_capsule)


# --- coming in ------------------------------------------------------------------------------------

cdef class Taken:
    """Owns a tensor taken from a capsule and gives it back to its library in the end."""

    cdef DLManagedTensor* old
    cdef DLManagedTensorVersioned* versioned

    def __dealloc__(self):
        if self.old != NULL:
            weft_call_deleter(self.old)
        if self.versioned != NULL:
            weft_call_deleter_versioned(self.versioned)


def from_object(source):
    """Return an array that shares memory with an object that has ``__dlpack__``."""
    if isinstance(source, NDArray):
        return share(<NDArray>source, (<NDArray>source).spec, (<NDArray>source).offset)
    device = source.__dlpack_device__()
    if int(device[0]) not in (CPU, CUDA_HOST):
        raise MXNetError(f"from_dlpack: the array is on DLPack device {tuple(map(int, device))}, expected the CPU (1, 0)")
    try:
        capsule = source.__dlpack__(max_version=(1, 0))
    except TypeError:
        capsule = source.__dlpack__()  # older libraries know no versions
    return from_capsule(capsule)


def from_capsule(capsule):
    """Return an array that shares memory with what a DLPack capsule holds; the capsule is used up."""
    cdef Taken taken = Taken.__new__(Taken)
    cdef DLTensor* tensor
    cdef bint read_only = False
    if PyCapsule_IsValid(capsule, VERSIONED):
        taken.versioned = <DLManagedTensorVersioned*>PyCapsule_GetPointer(capsule, VERSIONED)
        if taken.versioned.version.major != 1:
            major = taken.versioned.version.major
            taken.versioned = NULL
            raise BufferError(f"from_dlpack: the capsule has DLPack version {major}, expected 1")
        PyCapsule_SetName(capsule, VERSIONED_USED)
        tensor = &taken.versioned.dl_tensor
        read_only = (taken.versioned.flags & READ_ONLY) != 0
        if weft_is_own_versioned(taken.versioned):
            return own_array(<WeftExport*>taken.versioned.manager_ctx, tensor)
    elif PyCapsule_IsValid(capsule, OLD):
        taken.old = <DLManagedTensor*>PyCapsule_GetPointer(capsule, OLD)
        PyCapsule_SetName(capsule, OLD_USED)
        tensor = &taken.old.dl_tensor
        if weft_is_own(taken.old):
            return own_array(<WeftExport*>taken.old.manager_ctx, tensor)
    elif type(capsule).__name__ == "PyCapsule":
        raise ValueError("from_dlpack: the capsule was already used, or is no DLPack capsule")
    else:
        raise TypeError(f"from_dlpack: expected an object with __dlpack__ or a DLPack capsule, got {type(capsule).__name__}")
    return foreign_array(tensor, taken, read_only)


cdef object own_array(WeftExport* exported, DLTensor* tensor):
    """A capsule of ours: share its buffer, so that the engine orders all use of it. The hold ends with the capsule."""
    cdef NDArray array = NDArray.__new__(NDArray)
    array.spec = get_spec(shape_of(tensor), dtype_of(tensor))
    array.ctx_ = Context(Context.devtype2str[exported.device_type], exported.device_id)
    var_retain(exported.buffer)
    exported.buffer.handles += 1
    array.buffer = exported.buffer
    array.offset = <char*>tensor.data - <char*>exported.buffer.data
    return array


cdef tuple shape_of(DLTensor* tensor):
    return tuple([tensor.shape[i] for i in range(tensor.ndim)])


cdef object dtype_of(DLTensor* tensor):
    kind = _kinds.get(tensor.dtype.code)
    if kind is None or tensor.dtype.lanes != 1 or tensor.dtype.bits % 8:
        raise MXNetError(
            f"from_dlpack: element type (code {tensor.dtype.code}, {tensor.dtype.bits} bits, {tensor.dtype.lanes} lanes) "
            "has no counterpart among NDArray's dtypes"
        )
    return np.dtype(f"{kind}{tensor.dtype.bits // 8}")


cdef object foreign_array(DLTensor* tensor, Taken taken, bint read_only):
    cdef cnp.npy_intp strides[32]
    cdef cnp.npy_intp shape[32]
    cdef int64_t expected = 1
    cdef bint contiguous = True
    cdef int i
    if tensor.device.device_type != CPU and tensor.device.device_type != CUDA_HOST:
        device = (tensor.device.device_type, tensor.device.device_id)
        raise MXNetError(f"from_dlpack: the tensor is on DLPack device {device}, expected the CPU (1, 0)")
    if not 0 <= tensor.ndim <= 32:
        raise MXNetError(f"from_dlpack: the tensor has {tensor.ndim} dimensions, at most 32 are possible")
    dtype = dtype_of(tensor)
    cdef int64_t itemsize = dtype.itemsize
    cdef size_t address = <size_t>tensor.data + tensor.byte_offset
    for i in range(tensor.ndim - 1, -1, -1):
        shape[i] = tensor.shape[i]
        strides[i] = itemsize * (tensor.strides[i] if tensor.strides != NULL else expected)
        if shape[i] > 1 and strides[i] != itemsize * expected:
            contiguous = False
        expected *= shape[i]
    if expected == 0:
        return empty(shape_of(tensor), Context("cpu", 0), dtype)
    if contiguous and not read_only and address % itemsize == 0:
        return from_memory(address, shape_of(tensor), dtype, taken, Context("cpu", 0))
    # Arrays of weft are contiguous and can be written: anything else is copied.
    view = cnp.PyArray_New(
        np.ndarray, tensor.ndim, shape, dtype.num, strides, <void*>address, <int>itemsize, cnp.NPY_ARRAY_ALIGNED, None
    )
    made = from_numpy_copy(np.array(view, order="C"), Context("cpu", 0), dtype)
    del view
    return made


def from_numpy_shared(cnp.ndarray source):
    """Return an array over the memory of a C-contiguous NumPy array, which is kept alive."""
    if source.size == 0:
        return empty(np.shape(source), Context("cpu", 0), source.dtype)
    return from_memory(<size_t>cnp.PyArray_DATA(source), np.shape(source), source.dtype, source, Context("cpu", 0))
