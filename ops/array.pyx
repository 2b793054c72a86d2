"""NDArray: a share of a buffer, with a shape, a dtype and a device. Always C-contiguous.

What programs see of it (indexing, printing, most methods) is installed by the front end through ``add_methods``;
here is what every operator call needs.
"""

import numpy as np

cimport cython
cimport numpy as cnp
from cpython.buffer cimport PyBUF_WRITABLE, PyObject_GetBuffer
from cpython.object cimport Py_EQ, Py_GT, Py_LE, Py_LT, Py_NE, PyObject, PyTypeObject
from cpython.ref cimport Py_INCREF
from libc.stdint cimport int64_t
from libc.string cimport memcpy

from ..engine._engine cimport holds, wait_var
from ..engine.cengine cimport (
    Access,
    access_of,
    bulk_open,
    device_number,
    in_task,
    Buffer,
    buffer_ready,
    new_buffer,
    new_external_buffer,
    release_read,
    release_write,
    var_release,
    var_retain,
)

from .context import Context, current_context
from .errors import MXNetError

cnp.import_array()

cdef extern from "Python.h":
    void PyType_Modified(PyTypeObject* type)
    int PySlice_Unpack(object slice, Py_ssize_t* start, Py_ssize_t* stop, Py_ssize_t* step) except -1
    Py_ssize_t PySlice_AdjustIndices(Py_ssize_t length, Py_ssize_t* start, Py_ssize_t* stop, Py_ssize_t step)
    ctypedef int PyGILState_STATE
    PyGILState_STATE PyGILState_Ensure() nogil
    void PyGILState_Release(PyGILState_STATE state) nogil
    int Py_IsInitialized() nogil
    void Py_DECREF_pointer "Py_DECREF"(PyObject* item)

cdef extern from *:
    """
    #define WEFT_TYPE_DICT(type) (((PyTypeObject*)(type))->tp_dict)
    """
    PyObject* WEFT_TYPE_DICT(object type)

# --- specs ----------------------------------------------------------------------------------------

cdef dict _specs = {}
cdef dict _dtypes = {}
cdef int kMostSpecs = 100000


@cython.final
cdef class Spec:
    def __repr__(self):
        return f"Spec({self.shape}, {self.dtype.name})"

    def __reduce__(self):
        return spec, (self.shape, self.dtype)


cdef Spec get_spec(tuple shape, object dtype):
    cdef int64_t size = 1, limit = (<int64_t>1) << 62
    key = (shape, dtype.num)
    found = _specs.get(key)
    if found is not None:
        return <Spec>found
    if len(shape) > 32:
        raise MXNetError(f"shape {shape} has {len(shape)} dimensions; at most 32 are possible")
    for extent in shape:
        if extent < 0:
            raise MXNetError(f"shape {shape}: extents must not be negative")
        if extent and size > limit // extent:
            raise MXNetError(f"shape {shape} has more elements than can be addressed")
        size *= extent
    cdef Spec made = Spec.__new__(Spec)
    made.shape = tuple([int(extent) for extent in shape])
    made.dtype = np.dtype(dtype)
    made.ndim = len(shape)
    made.size = size
    made.itemsize = dtype.itemsize
    if size > limit // made.itemsize:
        raise MXNetError(f"shape {shape} needs more bytes than can be addressed")
    made.nbytes = size * made.itemsize
    made.type_num = dtype.num
    if len(_specs) >= kMostSpecs:
        _specs.clear()
    _specs[key] = made
    return made


def spec(shape, dtype):
    """Return the spec for a shape and a dtype."""
    return get_spec(tuple(shape), as_dtype(dtype))


def as_dtype(dtype):
    """Return the NumPy dtype that weft stores for ``dtype``; None means float32.

    >>> as_dtype(None)
    dtype('float32')
    """
    known = _dtypes.get(dtype) if dtype.__hash__ is not None else None
    if known is not None:
        return known
    try:
        found = np.dtype(np.float32 if dtype is None else dtype)
    except TypeError:
        raise TypeError(f"dtype: {dtype!r} is not a data type") from None
    if found.newbyteorder("=").str[1:] not in ("f4", "f8", "f2", "u1", "i4", "i1", "i8", "b1", "i2", "u2", "u4", "u8"):
        raise TypeError(f"dtype: arrays of {found} are not supported")
    found = found.newbyteorder("=")
    _dtypes[dtype] = found
    return found


# --- tape nodes -----------------------------------------------------------------------------------

# A long recurrence is a long chain of nodes: the trash can keeps their release from recursing.
@cython.final
@cython.trashcan(True)
@cython.freelist(256)
cdef class TapeNode:
    pass


# --- arrays ---------------------------------------------------------------------------------------

cdef binary_function binary_dispatch = NULL


cdef void set_binary_dispatch(binary_function function):
    global binary_dispatch
    binary_dispatch = function


# Numbers that dispatch.pyx knows the operations by.
cdef enum:
    ADD, SUBTRACT, MULTIPLY, DIVIDE, MODULO, POWER, EQUAL, NOT_EQUAL, LESS, LESS_EQUAL, GREATER, GREATER_EQUAL


cdef dict _hooks = {}


cdef object hook(str name):
    found = _hooks.get(name)
    if found is None:
        raise MXNetError(f"NDArray.{name}: the front end is not loaded; import weft")
    return found


# The device number of the context that was asked about last: almost always the same one.
cdef PyObject* last_context = NULL
cdef int last_number = 0


cdef int number_of(object ctx) except -1:
    global last_context, last_number
    if <PyObject*>ctx == last_context:
        return last_number
    check_device(ctx)
    last_number = device_number(101, ctx.device_id) if ctx.device_typeid == 101 else 0
    last_context = <PyObject*>ctx  # contexts are interned and stay
    return last_number


cdef NDArray new_array(Spec spec, object ctx):
    cdef NDArray array = NDArray.__new__(NDArray)
    cdef Buffer* buffer = new_buffer(spec.nbytes, number_of(ctx))
    if buffer == NULL:
        raise MemoryError()
    buffer.handles = 1
    array.buffer = buffer
    array.spec = spec
    array.ctx_ = ctx
    return array


cdef NDArray share(NDArray base, Spec spec, int64_t offset):
    cdef NDArray array = NDArray.__new__(NDArray)
    var_retain(base.buffer)
    base.buffer.handles += 1
    array.buffer = base.buffer
    array.offset = offset
    array.spec = spec
    array.ctx_ = base.ctx_
    return array


cdef void* data_pointer(NDArray array) noexcept:
    return <char*>array.buffer.data + array.offset


cdef int hold(NDArray array, bint for_write) except -1:
    if in_task() and holds(array.buffer, for_write):
        if not buffer_ready(array.buffer):
            raise MemoryError(f"out of memory: {array.spec.nbytes} bytes")
        return 0
    while True:
        wait_var(array.buffer, for_write)
        if array.buffer.try_write() if for_write else array.buffer.try_read():
            break
    if not buffer_ready(array.buffer):
        release_hold(array.buffer, for_write)
        raise MemoryError(f"out of memory: {array.spec.nbytes} bytes")
    return 0


cdef void release_hold(Buffer* buffer, bint for_write) noexcept nogil:
    if in_task() and access_of(buffer, for_write) == Access.kHeld:
        return
    if for_write:
        release_write(buffer)
    else:
        release_read(buffer)


@cython.freelist(256)
cdef class NDArray:
    """An array on a device, computed asynchronously.

    Every operation returns at once; waiting happens where values are needed (``asnumpy``, ``wait_to_read``, printing).

    Examples
    --------
    >>> import weft as mx
    >>> x = mx.nd.array([[1, 2], [3, 4]])
    >>> (x + 1).asnumpy()
    array([[2., 3.],
           [4., 5.]], dtype=float32)
    """

    __array_priority__ = 1000.0

    def __init__(self, *args, **kwargs):
        # Arrays are made by functions. MXNet's pickles call NDArray(None), and give it its value by __setstate__.
        if args != (None,) or kwargs:
            raise TypeError("NDArray is not called to make an array; use mx.nd.array, mx.nd.zeros, mx.nd.empty ...")
        if self.buffer == NULL:
            self._become(new_array(get_spec((0,), as_dtype(None)), current_context()))

    @property
    def _blank(self):
        """Whether this is what ``__new__`` alone makes: an object that has no value yet."""
        return self.buffer == NULL

    def _become(self, NDArray other not None):
        """Take over the storage, shape, dtype and device of an array that nobody else will use."""
        self.buffer, other.buffer = other.buffer, self.buffer
        self.offset = other.offset
        self.spec = other.spec
        self.ctx_ = other.ctx_

    def __dealloc__(self):
        if self.buffer != NULL:
            self.buffer.handles -= 1
            var_release(self.buffer)

    # --- facts ---

    @property
    def shape(self):
        """Extents of the axes, a tuple of int."""
        return self.spec.shape

    @property
    def dtype(self):
        """NumPy's type class of the elements, such as ``numpy.float32``."""
        return self.spec.dtype.type

    @property
    def size(self):
        """Number of elements."""
        return self.spec.size

    @property
    def ndim(self):
        """Number of axes."""
        return self.spec.ndim

    @property
    def itemsize(self):
        """Bytes of one element."""
        return self.spec.itemsize

    @property
    def nbytes(self):
        """Bytes of all elements."""
        return self.spec.nbytes

    @property
    def context(self):
        """The device that holds the array."""
        return self.ctx_

    @property
    def ctx(self):
        """The device that holds the array."""
        return self.ctx_

    @property
    def stype(self):
        """Storage type; always ``'default'`` (dense)."""
        return "default"

    @property
    def version(self):
        """Number of completed writes to the storage (shared with views)."""
        return self.buffer.version.load()

    @property
    def _engine_var(self):
        return <size_t><void*>self.buffer

    @property
    def _var(self):
        return <size_t><void*>self.buffer

    @property
    def _offset(self):
        return self.offset

    def _shares_memory(self, NDArray other not None):
        """Whether both arrays lie in one buffer."""
        return self.buffer == other.buffer

    def _idle(self):
        """Whether nothing uses the storage now, so that a write would not have to wait."""
        return bool(self.buffer.idle())

    # --- waiting and copying ---

    def wait_to_read(self):
        """Wait until the value is computed.

        Raises
        ------
        MXNetError
            If computing it failed; the message names operator, shapes and the line that called it.
        """
        if bulk_open() or not self.buffer.readable() or self.buffer.error.load() != NULL:
            wait_var(self.buffer, False)

    def wait_to_write(self):
        """Wait until nothing that was called so far still uses the array."""
        wait_var(self.buffer, True)

    def asnumpy(self):
        """Return a NumPy array with a copy of the value, after waiting for it.

        Examples
        --------
        >>> import weft as mx
        >>> mx.nd.ones((2,)).asnumpy()
        array([1., 1.], dtype=float32)
        """
        cdef object result = np.empty(self.spec.shape, self.spec.dtype)
        cdef void* target = cnp.PyArray_DATA(<cnp.ndarray>result)
        cdef int64_t nbytes = self.spec.nbytes
        cdef void* source
        hold(self, False)
        source = data_pointer(self)
        if nbytes > 65536:
            with nogil:
                memcpy(target, source, nbytes)
        else:
            memcpy(target, source, nbytes)
        release_hold(self.buffer, False)
        return result

    def _sync_copyfrom(self, source):
        """Overwrite with a NumPy array of the same shape (converted to this dtype), now."""
        values = np.asarray(source)
        if values.shape != self.spec.shape:
            raise ValueError(f"source: shape {values.shape} does not fit array of shape {self.spec.shape}")
        values = np.ascontiguousarray(values, dtype=self.spec.dtype)
        cdef void* origin = cnp.PyArray_DATA(<cnp.ndarray>values)
        cdef int64_t nbytes = self.spec.nbytes
        cdef void* target
        cdef bint held = in_task() and holds(self.buffer, True)
        while not held:
            wait_write_ready(self.buffer)
            if self.buffer.try_write():
                break
        if not buffer_ready(self.buffer):
            if not held:
                release_write(self.buffer)
            raise MemoryError(f"out of memory: {nbytes} bytes")
        target = data_pointer(self)
        with nogil:
            memcpy(target, origin, nbytes)
            if not held:
                release_write(self.buffer)

    def _view(self, shape, int64_t element_offset=0, dtype=None):
        """Return an array of ``shape`` over this storage, starting ``element_offset`` elements further on."""
        cdef Spec spec = get_spec(tuple(shape), self.spec.dtype if dtype is None else as_dtype(dtype))
        cdef int64_t begin = element_offset * self.spec.itemsize
        if begin < 0 or begin + spec.nbytes > self.spec.nbytes:
            raise MXNetError(
                f"view of shape {spec.shape} at element {element_offset} leaves the array of shape {self.spec.shape}"
            )
        return share(self, spec, self.offset + begin)

    # --- autograd ---

    @property
    def grad(self):
        """The gradient array that ``attach_grad`` made, or None."""
        return self.node.grad if self.node is not None else None

    @property
    def _fresh_grad(self):
        """1 after a backward pass wrote the gradient, until the user (an optimizer step) sets it to 0."""
        return int(self.node is not None and self.node.fresh)

    @_fresh_grad.setter
    def _fresh_grad(self, value):
        if self.node is None or self.node.grad is None:
            raise MXNetError("_fresh_grad: this array has no gradient; call attach_grad first")
        self.node.fresh = bool(value)

    @property
    def _tape_node(self):
        return self.node

    @property
    def _in_graph(self):
        """Whether gradients can flow on from here: nothing flows through what a finished backward pass has let go."""
        return self.node is not None and not self.node.cleared

    @property
    def _tape_index(self):
        return self.node_index

    def _set_tape(self, TapeNode node, int index=0):
        self.node = node
        self.node_index = index

    def _take_storage(self, NDArray other not None):
        """Become ``other`` in value, by taking its storage where nobody else sees either; else by copying.

        Returns whether the storage changed hands.
        """
        if (self.buffer.handles != 1 or other.buffer.handles != 1 or self.spec is not other.spec
                or self.ctx_ is not other.ctx_ or self.offset or other.offset):
            return False
        self.buffer, other.buffer = other.buffer, self.buffer
        return True

    # --- arithmetic ---

    def __add__(self, other):
        return binary_dispatch(ADD, self, other)

    def __radd__(self, other):
        return binary_dispatch(ADD, other, self)

    def __sub__(self, other):
        return binary_dispatch(SUBTRACT, self, other)

    def __rsub__(self, other):
        return binary_dispatch(SUBTRACT, other, self)

    def __mul__(self, other):
        return binary_dispatch(MULTIPLY, self, other)

    def __rmul__(self, other):
        return binary_dispatch(MULTIPLY, other, self)

    def __truediv__(self, other):
        return binary_dispatch(DIVIDE, self, other)

    def __rtruediv__(self, other):
        return binary_dispatch(DIVIDE, other, self)

    def __mod__(self, other):
        return binary_dispatch(MODULO, self, other)

    def __rmod__(self, other):
        return binary_dispatch(MODULO, other, self)

    def __pow__(self, other, modulo):
        return binary_dispatch(POWER, self, other)

    def __rpow__(self, other, modulo):
        return binary_dispatch(POWER, other, self)

    def __richcmp__(self, other, int operation):
        if operation == Py_EQ:
            return binary_dispatch(EQUAL, self, other)
        if operation == Py_NE:
            return binary_dispatch(NOT_EQUAL, self, other)
        if operation == Py_LT:
            return binary_dispatch(LESS, self, other)
        if operation == Py_LE:
            return binary_dispatch(LESS_EQUAL, self, other)
        if operation == Py_GT:
            return binary_dispatch(GREATER, self, other)
        return binary_dispatch(GREATER_EQUAL, self, other)

    def __hash__(self):
        return (<size_t><void*>self) >> 4

    def __neg__(self):
        return hook("__neg__")(self)

    def __abs__(self):
        return hook("__abs__")(self)

    def __iadd__(self, other):
        return hook("__iadd__")(self, other)

    def __isub__(self, other):
        return hook("__isub__")(self, other)

    def __imul__(self, other):
        return hook("__imul__")(self, other)

    def __itruediv__(self, other):
        return hook("__itruediv__")(self, other)

    def __imod__(self, other):
        return hook("__imod__")(self, other)

    # --- what the front end defines ---

    def __getitem__(self, key):
        # Rows of an array that no graph knows: views that nothing has to be recorded for.
        if self.node is None and self.spec.ndim > 0:
            if type(key) is int:
                row = row_of(self, key)
                if row is not None:
                    return row
            elif type(key) is slice:
                rows = rows_of(self, key)
                if rows is not None:
                    return rows
        return hook("__getitem__")(self, key)

    def __setitem__(self, key, value):
        hook("__setitem__")(self, key, value)

    def __len__(self):
        return hook("__len__")(self)

    def __iter__(self):
        return hook("__iter__")(self)

    def __contains__(self, item):
        return hook("__contains__")(self, item)

    def __bool__(self):
        return hook("__bool__")(self)

    def __int__(self):
        return hook("__int__")(self)

    def __float__(self):
        return hook("__float__")(self)

    def __index__(self):
        return hook("__index__")(self)

    def __repr__(self):
        return hook("__repr__")(self)

    def __str__(self):
        return hook("__str__")(self)

    def __reduce_ex__(self, protocol):
        return hook("__reduce_ex__")(self, protocol)

    # --- buffer protocol ---

    def __getbuffer__(self, Py_buffer* view, int flags):
        # A copy of the value as it is now. Sharing the memory would need a hold on it, and NumPy takes buffers without
        # being asked (numpy.asarray, numpy.exp): a program that then wrote to the array would wait for itself.
        if flags & PyBUF_WRITABLE:
            raise BufferError("NDArray gives read-only buffers; write with x[:] = ... or to_dlpack_for_write")
        values = self.asnumpy()
        values.flags.writeable = False
        PyObject_GetBuffer(values, view, flags)


cdef NDArray row_of(NDArray array, object key):
    """The view of one row; None where the index is out of bounds."""
    cdef Spec spec = array.spec, part
    cdef int64_t length = spec.shape[0], index = 0
    if -length <= key < length:
        index = key
    else:
        return None
    if index < 0:
        index += length
    part = get_spec(spec.shape[1:] if spec.ndim > 1 else (1,), spec.dtype)
    return share(array, part, array.offset + index * part.nbytes)


cdef NDArray rows_of(NDArray array, object key):
    """The view of neighbouring rows; None where the slice is another one, or empty."""
    cdef Spec spec = array.spec, part
    cdef Py_ssize_t start, stop, step, length = spec.shape[0]
    if key.start is None and key.stop is None and key.step is None:
        return array
    PySlice_Unpack(key, &start, &stop, &step)
    PySlice_AdjustIndices(length, &start, &stop, step)
    if step != 1 or stop <= start or not spec.size:
        return None
    part = get_spec((stop - start,) + spec.shape[1:], spec.dtype)
    return share(array, part, array.offset + start * (spec.nbytes // length))


cdef int wait_write_ready(Buffer* buffer) except -1:
    from_failed_write = buffer.error.load() != NULL
    if from_failed_write and buffer.idle():
        return 0  # overwriting is how a failed array becomes good again
    try:
        wait_var(buffer, True)
    except MXNetError:
        if not buffer.idle():
            raise
    return 0


def add_methods(dict methods):
    """Install functions as methods of NDArray: the front end's half of the class.

    Special methods that Python looks up in type slots go to the hooks that the class calls; everything else into the
    class dictionary.
    """
    cdef dict namespace = <dict>WEFT_TYPE_DICT(NDArray)
    for name, function in methods.items():
        if name in _slot_names:
            _hooks[name] = function
        else:
            namespace[name] = function
    PyType_Modified(<PyTypeObject*>NDArray)


cdef frozenset _slot_names = frozenset((
    "__neg__", "__abs__", "__iadd__", "__isub__", "__imul__", "__itruediv__", "__imod__", "__getitem__", "__setitem__",
    "__len__", "__iter__", "__contains__", "__bool__", "__int__", "__float__", "__index__", "__repr__", "__str__",
    "__reduce_ex__",
))


def empty(shape, ctx=None, dtype=None):
    """Return an array with undefined contents.

    Parameters
    ----------
    shape : int or tuple of int
        Extents.
    ctx : Context, optional
        Device; by default the current one.
    dtype : dtype, optional
        Element type; float32 by default.
    """
    cdef NDArray array
    if not isinstance(shape, (tuple, list)):
        shape = (shape,)
    device = current_context() if ctx is None else Context(ctx)
    check_device(device)
    array = new_array(get_spec(tuple(shape), as_dtype(dtype)), device)
    if not buffer_ready(array.buffer):
        raise MXNetError(f"out of memory: {array.spec.nbytes} bytes for shape {array.spec.shape}")
    return array


cdef int check_device(object ctx) except -1:
    if ctx.device_typeid == 2:
        raise MXNetError(f"{ctx} is not available: this build of weft has no CUDA kernels yet")
    return 0


def from_numpy_copy(source, ctx=None, dtype=None):
    """Return an array with the values of a NumPy array."""
    cdef NDArray array
    values = np.asarray(source)
    values = np.asarray(values, dtype=as_dtype(values.dtype if dtype is None else dtype), order="C")
    array = empty(values.shape, ctx, values.dtype)
    memcpy(data_pointer(array), cnp.PyArray_DATA(<cnp.ndarray>values), array.spec.nbytes)
    return array


cdef void release_owner(void* owner) noexcept nogil:
    cdef PyGILState_STATE state
    if not Py_IsInitialized():
        return
    state = PyGILState_Ensure()
    with gil:
        Py_DECREF_pointer(<PyObject*>owner)
    PyGILState_Release(state)


def from_memory(size_t address, shape, dtype, owner, ctx=None):
    """Return an array over foreign memory that ``owner`` keeps alive."""
    cdef NDArray array = NDArray.__new__(NDArray)
    array.spec = get_spec(tuple(shape), as_dtype(dtype))
    array.ctx_ = current_context() if ctx is None else ctx
    Py_INCREF(owner)
    array.buffer = new_external_buffer(<void*>address, array.spec.nbytes, 0, release_owner, <void*>owner)
    array.buffer.handles = 1
    return array


def address_of(NDArray array not None):
    """Return the address of the first element; only meaningful while the array is held or idle."""
    if not buffer_ready(array.buffer):
        raise MemoryError(f"out of memory: {array.spec.nbytes} bytes")
    return <size_t>data_pointer(array)
