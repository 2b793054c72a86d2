"""Chrome traces."""

import json

from weft import profiler
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
