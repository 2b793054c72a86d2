"""The engine as Python programs use it: order, errors, waits, settings, processes."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest

import weft as mx
from weft import engine
from weft.ops.array import address_of


@pytest.fixture
def changed():
    """Settings for one test; the old ones come back."""
    old = {}

    def change(**settings):
        for name, value in engine.configure(**settings).items():
            old.setdefault(name, value)

    yield change
    engine.configure(**old)


@pytest.fixture(autouse=True)
def no_failure_left():
    yield
    try:
        engine.wait_all()
    except mx.MXNetError:
        engine.wait_all()
    assert engine.pending() == 0


def in_process(code, **environment):
    """Run code in a fresh interpreter; return the finished process."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )


# --- order ----------------------------------------------------------------------------------------


def test_tasks_follow_reads_and_writes():
    var, order = engine.Var(), []
    for number in range(50):
        engine.push(lambda number=number: order.append(number), writes=[var])
    var.wait()
    assert order == list(range(50))
    assert var.version == 50


def test_a_task_uses_the_arrays_it_declared():
    x, y = mx.nd.ones((2, 2)), mx.nd.zeros((2, 2))

    def body():
        y[:] = x * 3 + mx.nd.ones((2, 2))

    engine.push(body, reads=[x], writes=[y])
    x += 1  # waits for the task, which reads the old value
    assert (y.asnumpy() == 4).all()
    assert (x.asnumpy() == 2).all()


def test_random_programs_agree_with_their_serial_run():
    random = np.random.RandomState(0)
    arrays = [mx.nd.array(np.arange(4.0) + i) for i in range(6)]
    expected = [array.asnumpy() for array in arrays]
    for step in range(300):
        target, source = random.randint(6, size=2)
        kind = random.randint(4)
        if kind == 0:
            arrays[target] += arrays[source] * 0.5
            expected[target] = expected[target] + expected[source] * np.float32(0.5)
        elif kind == 1:
            arrays[target][1:3] = step
            expected[target][1:3] = step
        elif kind == 2:

            def body(target=arrays[target], source=arrays[source]):
                target[:] = target * 0.25 - source

            engine.push(body, reads=[arrays[source]], writes=[arrays[target]])
            expected[target] = expected[target] * np.float32(0.25) - expected[source]
        else:
            arrays[target] = arrays[source].copy()
            expected[target] = expected[source].copy()
    for array, values in zip(arrays, expected):
        np.testing.assert_array_equal(array.asnumpy(), values)


def test_ready_tasks_run_by_priority(changed):
    changed(cores=1)
    gate, order = threading.Event(), []
    engine.push(gate.wait, priority=100)
    time.sleep(0.05)
    for number, priority in enumerate((0, 5, -1, 5)):
        engine.push(lambda number=number: order.append(number), priority=priority)
    gate.set()
    engine.wait_all()
    assert order == [1, 3, 0, 2]


def test_several_threads_push():
    def work():
        total = mx.nd.zeros((4,))
        for _ in range(300):
            total = total + 1
        assert (total.asnumpy() == 300).all()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_tasks_that_push_and_wait_do_not_deadlock():
    def nest(depth):
        if depth:
            var = engine.Var()
            engine.push(lambda: nest(depth - 1), writes=[var])
            var.wait()

    for _ in range(10):
        engine.push(lambda: nest(6))
    engine.wait_all()


# --- errors ---------------------------------------------------------------------------------------


def fail():
    raise ValueError("on purpose")


def test_a_failure_reaches_every_wait_until_it_is_overwritten():
    x, y = mx.nd.ones((2,)), mx.nd.ones((2,))
    engine.push(fail, reads=[x], writes=[y])
    z = y + 1
    for array in (y, z, y):
        with pytest.raises(mx.MXNetError, match="on purpose") as caught:
            array.asnumpy()
        assert isinstance(caught.value.__cause__, ValueError)
        assert "test_engine.py" in str(caught.value)
    assert (x.asnumpy() == 1).all()
    y[:] = 5
    assert (y.asnumpy() == 5).all()
    with pytest.raises(mx.MXNetError):
        z.wait_to_read()


def test_failures_wait_for_the_wait_however_small_the_operator():
    bad = mx.nd.random.normal(0, -1, (2, 2))
    result = mx.nd.dot(mx.nd.ones((2, 2)), bad)
    with pytest.raises(mx.MXNetError, match="scale"):
        result.asnumpy()


def test_wait_all_raises_the_first_failure_once():
    x, y = mx.nd.ones((2,)), mx.nd.ones((2,))
    engine.push(fail, writes=[x], name="first")
    engine.push(fail, reads=[x], writes=[y], name="skipped")
    with pytest.raises(mx.MXNetError, match="first"):
        mx.nd.waitall()
    mx.nd.waitall()


@pytest.mark.parametrize("mode", ["threaded", "naive"])
def test_failures_of_calls_inside_a_task_are_its_failure(mode):
    bad = mx.nd.array([[1.0, 2.0], [2.0, 1.0]])  # no Cholesky factor
    old = engine.configure(mode=mode)
    try:
        out, other = mx.nd.zeros((2, 2)), mx.nd.zeros((2, 2))

        def fails():
            out[:] = mx.nd.linalg.potrf(bad)

        def recovers():
            out[:] = mx.nd.linalg.potrf(bad)
            out[:] = 3

        def leaves_it():
            other[:] = out + 1

        engine.push(fails, reads=[bad], writes=[out])
        engine.push(leaves_it, reads=[out], writes=[other])
        for array in (out, other):
            with pytest.raises(mx.MXNetError, match="positive definite"):
                array.wait_to_read()
        engine.push(recovers, reads=[bad], writes=[out])
        assert (out.asnumpy() == 3).all()
        engine.push(fails, reads=[bad], writes=[out])
        engine.push(lambda: None, writes=[out])  # a later write that succeeds
        out.wait_to_read()
    finally:
        engine.configure(**old)


def test_wait_all_is_silent_about_failures_before_one_that_another_wait_raised():
    # Suites end each test with waitall: one that has caught a failure has heard of it.
    x, y, z = (mx.nd.ones((2,)) for _ in range(3))
    engine.push(fail, reads=[z], writes=[x], name="unseen")
    engine.push(fail, writes=[y, z], name="seen")  # after the other: it writes what that one reads
    with pytest.raises(mx.MXNetError, match="seen"):
        y.asnumpy()
    mx.nd.waitall()
    with pytest.raises(mx.MXNetError, match="unseen"):
        x.asnumpy()  # the array keeps its failure
    engine.push(fail, writes=[z], name="later")
    with pytest.raises(mx.MXNetError, match="later"):
        mx.nd.waitall()


def test_a_task_may_not_write_what_it_declared_as_read():
    x, y = mx.nd.ones((2,)), mx.nd.ones((2,))

    def body():
        x[:] = 0

    engine.push(body, reads=[x], writes=[y])
    with pytest.raises(mx.MXNetError, match="declared as read"):
        y.asnumpy()
    assert (x.asnumpy() == 1).all()


def test_out_of_memory_is_an_error_and_the_engine_goes_on():
    with pytest.raises((mx.MXNetError, MemoryError)):
        (mx.nd.ones((1,)).broadcast_to((1 << 46,)) + 1).wait_to_read()
    assert mx.nd.ones((2,)).asnumpy().sum() == 2


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"fn": 3}, TypeError),
        ({"fn": fail, "reads": [1]}, TypeError),
        ({"fn": fail, "writes": ["x"]}, TypeError),
        ({"fn": fail, "device": mx.gpu(0)}, ValueError),
    ],
)
def test_push_refuses(arguments, error):
    with pytest.raises(error):
        engine.push(**arguments)
    assert engine.pending() == 0


# --- settings -------------------------------------------------------------------------------------


def test_settings_are_checked():
    with pytest.raises(ValueError, match="no engine setting 'colour'"):
        engine.configure(colour=1)
    with pytest.raises(ValueError, match="mode"):
        engine.configure(mode="fast")
    with pytest.raises(ValueError, match="cores"):
        engine.configure(cores=0)
    with pytest.raises(ValueError):
        engine.set_bulk_size(-1)


@pytest.mark.parametrize("mode", ["naive", "threaded"])
def test_modes_agree(changed, mode):
    changed(mode=mode)
    x = mx.nd.array(np.arange(600.0).reshape(20, 30))
    x = x / 1000
    y = mx.nd.dot(x, x.T).exp().log().sum(axis=0)
    np.testing.assert_allclose(y.asnumpy(), np.log(np.exp(x.asnumpy() @ x.asnumpy().T)).sum(0), rtol=1e-5)


def test_bulk_gives_the_same_results():
    x = mx.nd.zeros((1000, 100))
    with engine.bulk(8):
        for number in range(50):
            x = x + 1
            if number == 20:
                assert x[0, 0].asscalar() == 21
    assert (x.asnumpy() == 50).all()


def test_memory_stays_flat_while_a_loop_pushes(changed):
    changed(max_pending=64)
    x = mx.nd.ones((256, 1024))
    (x + 1).wait_to_read()
    engine.wait_all()
    before = engine.storage()["in_use"]
    engine._engine.reset_peak()
    for _ in range(2000):
        x + 1
    assert engine.pending() <= 65
    engine.wait_all()
    assert engine.storage()["peak"] - before < 80 * x.size * 4
    assert engine.storage()["in_use"] <= before


@pytest.mark.parametrize(
    ("environment", "setting", "value"),
    [
        ({"MXNET_ENGINE_TYPE": "NaiveEngine"}, "mode", "naive"),
        ({"WEFT_ENGINE_TYPE": "threaded", "MXNET_ENGINE_TYPE": "NaiveEngine"}, "mode", "threaded"),
        ({"MXNET_CPU_WORKER_NTHREADS": "3"}, "cores", "3"),
        ({"WEFT_CACHE_LIMIT": "64M"}, "cache_limit", str(64 << 20)),
    ],
)
def test_environment(environment, setting, value):
    done = in_process(f"from weft import engine; print(engine.settings()[{setting!r}])", **environment)
    assert done.stdout.strip() == value, done.stderr


def test_environment_errors_name_the_variable():
    done = in_process("import weft.engine", WEFT_ENGINE_TYPE="quick")
    assert done.returncode
    assert "WEFT_ENGINE_TYPE='quick'" in done.stderr


# --- sanitizer and watchdog -----------------------------------------------------------------------


def test_sanitizer_finds_undeclared_use(changed):
    changed(sanitize={"deps"})
    x, y = mx.nd.ones((2,)), mx.nd.ones((2,))
    engine.push(lambda: x.asnumpy(), writes=[y])
    with pytest.raises(mx.MXNetError, match="did not declare"):
        y.wait_to_read()

    def own():
        y[:] = mx.nd.ones((2,)) + 1  # arrays made inside are the task's own

    engine.push(own, writes=[y])
    assert (y.asnumpy() == 2).all()


def test_sanitizer_finds_writes_to_what_was_declared_as_read(changed):
    changed(sanitize={"deps"})
    x, y = mx.nd.ones((2,)), mx.nd.ones((2,))
    address = address_of(x)

    def poke():
        import ctypes

        ctypes.c_float.from_address(address).value = 7

    engine.push(poke, reads=[x], writes=[y])
    with pytest.raises(mx.MXNetError, match="changed an array that it declared as read"):
        y.wait_to_read()


def test_watchdog_prints_who_waits_for_whom():
    done = in_process(
        """
        import time
        from weft import engine
        var = engine.Var()
        engine.push(lambda: time.sleep(0.6), writes=[var], name="sleeper")
        engine.push(lambda: None, reads=[var], name="later")
        engine.wait_all()
        """,
        WEFT_WATCHDOG="0.2",
    )
    assert done.returncode == 0, done.stderr
    assert "later" in done.stderr
    assert "held by #" in done.stderr and "sleeper" in done.stderr


# --- processes and signals ------------------------------------------------------------------------


def test_exit_with_work_in_flight():
    done = in_process(
        """
        import weft as mx
        from weft import engine
        x = mx.nd.ones((1000, 1000))
        for _ in range(20):
            x = x * 1.0001
        engine.push(lambda: print("landed"), reads=[x])
        """
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "landed\n"
    assert done.stderr == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_fork_gives_the_child_an_engine():
    done = in_process(
        """
        import os, time
        import weft as mx
        from weft import engine
        x = mx.nd.ones((500, 500))
        engine.push(lambda: time.sleep(0.1), writes=[x])
        child = os.fork()
        total = (x + 1).sum().asscalar()
        engine.push(lambda: None, writes=[x])
        engine.wait_all()
        assert total == 500000, total
        if child:
            assert os.waitpid(child, 0)[1] == 0
        """
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.skipif(threading.current_thread() is not threading.main_thread(), reason="signals need the main thread")
def test_waits_hear_ctrl_c():
    x = mx.nd.ones((2,))
    release = threading.Event()
    engine.push(release.wait, writes=[x])
    timer = threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT))
    # A shell starts its background jobs with SIGINT ignored, and Python leaves that as it is: the wait would last.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            x.wait_to_read()
    finally:
        release.set()
        signal.signal(signal.SIGINT, before)
    x.wait_to_read()


# --- kernels and the number of cores --------------------------------------------------------------


def test_kernels_are_made_anew_for_another_number_of_cores(changed):
    from weft.ops import registry
    from weft.ops.dispatch import function
    from weft.ops.kernel import numpy_kernel

    made = []

    def kernel(attrs, ins, outs):
        made.append(engine.settings()["cores"])
        return numpy_kernel(lambda attrs, arrays, results: np.copyto(results[0], arrays[0]), attrs, ins, outs, 100)

    name = "_test_kernel_of_cores"
    registry.find(name) or registry.operator(
        name,
        inputs=("data",),
        shape=lambda attrs, shapes: [shapes[0]],
        dtype=lambda attrs, dtypes: dtypes[:1],
        cpu=(kernel,),
    )
    call, x = function(name), mx.nd.ones((2, 3))
    cores = engine.settings()["cores"]
    for number in (cores, cores + 1, cores + 1, cores):
        changed(cores=number)
        for _ in range(3):
            assert call(x).asnumpy().sum() == 6
    assert made == [cores, cores + 1, cores]


@pytest.mark.parametrize("layer", ["dot", "Convolution", "RNN"])
def test_layers_agree_for_any_number_of_cores(changed, layer):
    rng = np.random.default_rng(0)
    x = {"dot": (40, 30), "Convolution": (3, 4, 12, 12), "RNN": (5, 4, 6)}[layer]
    x = mx.nd.array(rng.uniform(-1, 1, x))
    w = mx.nd.array(rng.uniform(-1, 1, {"dot": (30, 20), "Convolution": (8, 4, 3, 3), "RNN": (4 * 7 * (6 + 7) + 8 * 7,)}[layer]))

    def run():
        if layer == "dot":
            return mx.nd.dot(x, w)
        if layer == "Convolution":
            return mx.nd.Convolution(x, w, kernel=(3, 3), num_filter=8, no_bias=True)
        state = mx.nd.zeros((1, 4, 7))
        return mx.nd.RNN(x, w, state, state, mode="lstm", state_size=7, num_layers=1)

    answers = []
    for cores in (1, 3, 2):
        changed(cores=cores)
        answers.append(run().asnumpy())
    for answer in answers[1:]:
        np.testing.assert_allclose(answer, answers[0], rtol=1e-5, atol=1e-6)


# --- event records --------------------------------------------------------------------------------


def test_a_recorded_trace_respects_the_declared_order():
    variables = [engine.Var() for _ in range(5)]
    random = np.random.RandomState(1)
    declared = []
    engine.start_events()
    for number in range(200):
        reads = set(random.choice(5, size=random.randint(3), replace=False))
        writes = {random.randint(5)} - reads
        declared.append((reads, writes))
        engine.push(
            lambda: None,
            reads=[variables[i] for i in reads],
            writes=[variables[i] for i in writes],
            name=f"task{number}",
        )
    engine.wait_all()
    times = {}
    for _, kind, name, _, at, _, _ in engine.stop_events():
        if name.startswith("task") and kind in ("started", "finished"):
            times[name, kind] = at
    assert len(times) == 400
    for later, (reads, writes) in enumerate(declared):
        for earlier in range(later):
            before_reads, before_writes = declared[earlier]
            if writes & (before_reads | before_writes) or reads & before_writes:
                assert times[f"task{earlier}", "finished"] <= times[f"task{later}", "started"]


# --- the simulated accelerator --------------------------------------------------------------------


def test_device_arrays_compute_without_host_waits(changed):
    changed(simulated_delay_us=3000)
    device = mx.simulated(0)
    x = mx.nd.ones((3, 3), ctx=device)
    begin = time.monotonic()
    y = x
    for _ in range(20):
        y = y * 1 + 1
    pushed = time.monotonic() - begin
    assert (y.asnumpy() == 21).all()
    waited = time.monotonic() - begin
    assert waited >= 0.1 > 0.9 * pushed
    assert y.context == device


def test_copies_between_host_and_device_are_ordered(changed):
    changed(simulated_delay_us=500)
    device, other = mx.simulated(0), mx.simulated(1)
    x = mx.nd.array([1.0, 2.0])
    on_device = x.as_in_context(device)
    x[:] = 0  # must wait for the copy
    on_other = (on_device + 1).as_in_context(other)
    back = (on_other * 2).as_in_context(mx.cpu())
    on_other[:] = -1
    assert on_device.asnumpy().tolist() == [1, 2]
    assert (back + 1).asnumpy().tolist() == [5, 7]
    assert on_other.asnumpy().tolist() == [-1, -1]
    with pytest.raises(mx.MXNetError, match="one device"):
        on_device + x


def test_device_gradients():
    x = mx.nd.array([[1.0, 2.0], [3.0, 4.0]], ctx=mx.simulated(0))
    x.attach_grad()
    with mx.autograd.record():
        loss = (x * x).sum()
    loss.backward()
    assert x.grad.context == mx.simulated(0)
    np.testing.assert_array_equal(x.grad.asnumpy(), 2 * x.asnumpy())


def test_device_failures_reach_the_wait():
    x = mx.nd.ones((2,), ctx=mx.simulated(0))
    engine.push(fail, writes=[x], device=mx.simulated(0))
    with pytest.raises(mx.MXNetError, match="on purpose"):
        (x + 1).asnumpy()
    x[:] = 1
    assert (x.asnumpy() == 1).all()
