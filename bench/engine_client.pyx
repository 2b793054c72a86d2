# cython: language_level=3, boundscheck=False, wraparound=False
# distutils: language = c++
"""A client of weft's C-level interface: 100,000 empty tasks, pushed and waited for. Used by bench_engine.py."""

from libc.stdint cimport uint32_t
from libc.stdlib cimport calloc, free, rand, srand
from weft.engine.capi cimport (
    TaskContext,
    Variable,
    name_id,
    new_variable,
    push,
    release_variable,
    wait_all_nogil,
)

import time


cdef int nothing(void* argument, TaskContext* context) noexcept nogil:
    return 0


cdef double run(Variable* reads, int* n_reads, Variable* writes, int* n_writes, int tasks, double cost_ns):
    cdef int i
    cdef uint32_t name = name_id(b"empty")
    begin = time.perf_counter()
    with nogil:
        for i in range(tasks):
            push(nothing, NULL, NULL, reads + 3 * i, n_reads[i], writes + 2 * i, n_writes[i], cost_ns, 0, name)
        wait_all_nogil()
    return (time.perf_counter() - begin) / tasks * 1e9


def measure(str pattern, int tasks, double cost_ns, int repeats):
    """Return ns a task, of several runs, for ``'chain'``, ``'independent'`` or ``'random'``."""
    cdef int count = 1 if pattern == "chain" else tasks if pattern == "independent" else 1000
    cdef Variable* variables = <Variable*>calloc(count, sizeof(Variable))
    cdef Variable* reads = <Variable*>calloc(3 * tasks, sizeof(Variable))
    cdef Variable* writes = <Variable*>calloc(2 * tasks, sizeof(Variable))
    cdef int* n_reads = <int*>calloc(tasks, sizeof(int))
    cdef int* n_writes = <int*>calloc(tasks, sizeof(int))
    cdef int i, k
    srand(1)
    for i in range(count):
        variables[i] = new_variable()
    for i in range(tasks):
        n_writes[i] = 1
        writes[2 * i] = variables[i % count]
        if pattern == "random":
            n_reads[i] = rand() % 4
            n_writes[i] = 1 + rand() % 2
            for k in range(3):
                reads[3 * i + k] = variables[rand() % count]
            for k in range(2):
                writes[2 * i + k] = variables[rand() % count]
    results = [run(reads, n_reads, writes, n_writes, tasks, cost_ns) for _ in range(repeats)]
    for i in range(count):
        release_variable(variables[i])
    free(variables)
    free(reads)
    free(writes)
    free(n_reads)
    free(n_writes)
    return results
