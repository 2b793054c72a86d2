"""What each thread is doing (recording, training, with which priority), and where random operators draw from."""

from libc.stdint cimport uint64_t

from .context import Context

cdef extern from *:
    """
    struct WeftThreadModes {
      int recording = 0;
      int training = 0;
      int priority = 0;
    };
    static thread_local WeftThreadModes weft_thread_modes;
    static inline WeftThreadModes* weft_modes() { return &weft_thread_modes; }
    """
    cdef cppclass WeftThreadModes:
        pass
    WeftThreadModes* weft_modes() nogil


cdef ThreadModes* thread_modes() noexcept nogil:
    return <ThreadModes*>weft_modes()


def is_recording():
    """Return whether operator calls of this thread are recorded."""
    return bool(thread_modes().recording)


def set_recording(bint is_recording):
    """Set whether operator calls are recorded; return the old state."""
    old = bool(thread_modes().recording)
    thread_modes().recording = is_recording
    return old


def is_training():
    """Return whether operators of this thread run in training mode."""
    return bool(thread_modes().training)


def set_training(bint train_mode):
    """Set the training mode; return the old one."""
    old = bool(thread_modes().training)
    thread_modes().training = train_mode
    return old


def set_priority(int priority):
    """Set the priority of the tasks that this thread pushes, and return what it was: ready tasks run highest first."""
    old = thread_modes().priority
    thread_modes().priority = priority
    return old


# --- random numbers -------------------------------------------------------------------------------

cdef class Generator:
    pass


cdef dict _generators = {}
cdef uint64_t _default_seed = 0


cdef Generator generator_of(object ctx):
    cdef Generator found = _generators.get(ctx)
    if found is None:
        found = Generator.__new__(Generator)
        # Devices differ in their numbers also when they were seeded alike at start.
        found.seed = _default_seed + (<uint64_t>ctx.device_typeid << 32 | <uint64_t>ctx.device_id) * <uint64_t>0x9E3779B97F4A7C15
        _generators[ctx] = found
    return found


def seed_generators(seed, ctx=None):
    """Start the random numbers of one device, or of all, anew."""
    global _default_seed
    cdef Generator generator
    cdef uint64_t value = <uint64_t>(int(seed) & 0xFFFFFFFFFFFFFFFF)
    if ctx is None:
        _generators.clear()
        _default_seed = value
        return
    generator = generator_of(Context(ctx))
    generator.seed = value
    generator.counter = 0
