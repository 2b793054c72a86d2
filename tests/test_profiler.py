"""Chrome traces."""

import json
import time

import weft as mx
from weft import engine, profiler
from weft.engine import _engine


def test_events_from_records():
    records = [
        (0, "pushed", "dot", 7, 1000, 0, 64),
        (0, "reads", "dot", 7, 1100, 0, 3),
        (0, "writes", "dot", 7, 1200, 0, 4),
        (0, "ready", "dot", 7, 1500, 0, 0),
        (1, "started", "dot", 7, 2000, 0, 0),
        (1, "finished", "dot", 7, 5000, 0, 0),
        (0, "inline", "relu", 0, 3000, 3500, 0),
        (2, "finished", "lost", 9, 4000, 0, 0),  # its start fell out of the ring buffer
    ]
    events = [event for event in profiler.chrome_events(records) if event["ph"] == "X"]
    assert [(event["name"], event["tid"], event["ts"], event["dur"]) for event in events] == [("relu", 0, 3.0, 0.5), ("dot", 1, 2.0, 3.0)]
    assert events[1]["args"] == {
        "task": 7,
        "bytes": 64,
        "reads": [3],
        "writes": [4],
        "us_since_pushed": 1.0,
        "us_since_ready": 0.5,
    }


def test_calls_that_were_not_timed_say_so():
    records = [(0, "inline", "relu", 0, 3000, 0, 0), (0, "inline", "relu", 0, 4000, 4200, 0)]
    events = [event for event in profiler.chrome_events(records) if event["ph"] == "X"]
    assert [(event["ts"], event["dur"], event["args"]) for event in events] == [(3.0, 0.0, {"timed": False}), (4.0, 0.2, {})]


def test_short_calls_are_all_recorded_and_some_of_each_operator_timed():
    small, large = mx.nd.ones((2, 2)), mx.nd.ones((64, 64))
    mx.nd.waitall()
    engine.start_events()
    begin = time.perf_counter_ns()
    for _ in range(400):
        for _ in range(4):  # a loop of eight calls must not always have the same one timed
            mx.nd.exp(small)
            mx.nd.abs(small)
    large.exp().wait_to_read()
    elapsed = time.perf_counter_ns() - begin
    records = engine.stop_events()
    calls = [(name, at, end) for _, kind, name, _, at, end, _ in records if kind == "inline"]
    assert [at for _, at, _ in calls] == sorted(at for _, at, _ in calls)
    assert calls[-1][1] - calls[0][1] <= elapsed * 1.01
    for name in ("exp", "abs"):
        ends = [end for own, _, end in calls if own == name][:1600]
        assert len(ends) == 1600
        assert 100 < sum(end > 0 for end in ends) < 400
    assert all(end > at for _, at, end in calls if end)
    assert all(end <= later for (_, _, end), (_, later, _) in zip(calls, calls[1:]) if end)


def test_long_calls_in_place_are_always_timed():
    x = mx.nd.ones((64, 64))  # about 2 us by the estimate
    x.wait_to_read()
    engine.start_events()
    for _ in range(50):
        mx.nd.exp(x).wait_to_read()
    ends = [end for _, kind, name, _, _, end, _ in engine.stop_events() if (kind, name) == ("inline", "exp")]
    assert len(ends) == 50 and all(ends)


def test_the_last_calls_stay_when_there_is_no_more_room():
    x = mx.nd.ones((2, 2))
    engine.start_events(capacity=1024)
    for _ in range(3000):
        mx.nd.abs(x)
    for _ in range(100):
        mx.nd.exp(x)
    names = [name for _, kind, name, _, _, _, _ in engine.stop_events() if kind == "inline"]
    assert names == ["abs"] * 924 + ["exp"] * 100


def test_trace_of_python_tasks(tmp_path):
    path = tmp_path / "trace.json"
    variable = _engine.Var()
    with profiler.trace(path):
        for _ in range(3):
            _engine.push(lambda: None, writes=[variable], name="user_task")
    trace = json.loads(path.read_text())
    tasks = [event for event in trace["traceEvents"] if event["ph"] == "X" and event["name"] == "user_task"]
    assert len(tasks) == 3
    assert all(event["dur"] >= 0 and event["ts"] >= 0 for event in tasks)
    threads = {event["tid"] for event in trace["traceEvents"] if event["ph"] == "M"}
    assert {event["tid"] for event in tasks} <= threads
