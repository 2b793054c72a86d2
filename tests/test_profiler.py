"""Chrome traces."""

import json
import re
import time

import pytest

import weft as mx
import weft.profiler.marks
import weft.profiler.session
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
        for _ in range(4):  # a loop of eight calls must not leave an operator out
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
        assert 50 < sum(end > 0 for end in ends) < 200
    assert all(end > at for _, at, end in calls if end)
    assert all(end <= later for (_, _, end), (_, later, _) in zip(calls, calls[1:]) if end)


def test_times_of_calls_agree_with_the_clock():
    small, large = mx.nd.ones((2, 2)), mx.nd.ones((64, 64))  # the large ones are always timed
    mx.nd.waitall()
    clock = []
    engine.start_events()
    for array in [small] * 6 + [large] * 5:
        time.sleep(0.004)
        before = time.perf_counter_ns()
        mx.nd.exp(array)
        clock.append((before, time.perf_counter_ns()))
    calls = [(at, end) for _, kind, _, _, at, end, _ in engine.stop_events() if kind == "inline"]
    assert len(calls) == len(clock)
    assert all(end for _, end in calls[-5:])
    for first in range(len(calls)):
        for second in range(first + 1, len(calls)):
            apart = calls[second][0] - calls[first][0]
            assert apart > 0.999 * (clock[second][0] - clock[first][1]) - 1000
            assert apart < 1.001 * (clock[second][1] - clock[first][0]) + 1000
    for (at, end), (before, after) in zip(calls, clock):
        assert not end or at < end < at + 1.001 * (after - before) + 1000


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


@pytest.fixture
def session(tmp_path, monkeypatch):
    """A session of its own, that records all, and its file."""
    fresh = profiler.session.Session()
    monkeypatch.setattr(profiler.session, "session", fresh)
    monkeypatch.setattr(profiler.marks, "session", fresh)
    profiler.set_config(profile_all=True, aggregate_stats=True, filename=tmp_path / "profile.json")
    yield tmp_path / "profile.json"
    fresh.stop()


def times(**kwargs):
    return json.loads(profiler.dumps(format="json", **kwargs))["Time"]


def events_of(path):
    return [event for event in json.loads(path.read_text())["traceEvents"] if event["ph"] != "M"]


def test_operators_are_counted(session):
    x = mx.nd.ones((2, 3))
    x.wait_to_read()
    profiler.set_state("run")
    for _ in range(3):
        (x + 1).sum()
    profiler.set_state("stop")
    (x + 1).wait_to_read()
    counts = {name: row["Count"] for name, row in times()["operator"].items()}
    assert counts["_plus_scalar"] == counts["sum"] == 3
    table = profiler.dumps(reset=True)
    assert table.startswith("\nProfile Statistics:")
    assert "_plus_scalar" in table
    assert times() == {}


def test_pauses_are_left_out(session):
    x = mx.nd.ones((2, 3))
    profiler.set_state("run")
    profiler.pause()
    profiler.pause()
    x.exp().wait_to_read()
    profiler.Event("unseen").start()
    profiler.resume()
    x.log().wait_to_read()
    profiler.set_state("stop")
    names = set(times()["operator"])
    assert "log" in names
    assert "exp" not in names


def test_marks_of_programs(session):
    profiler.set_config(profile_all=False, profile_symbolic=False, profile_imperative=False)
    domain = profiler.Domain("mine")
    profiler.set_state("run")
    for thing in (domain.new_task("t"), domain.new_frame("f"), profiler.Event("e")):
        thing.start()
        thing.stop()
        assert str(thing) == thing.name
    counter = domain.new_counter("c", 5)
    counter += 2
    counter -= 4
    counter.set_value(9)
    domain.new_marker("m").mark("global")
    with pytest.raises(mx.MXNetError, match="was not started"):
        domain.new_task("never").stop()
    with pytest.raises(mx.MXNetError, match="scope must be one of"):
        domain.new_marker("m").mark("nowhere")
    profiler.set_state("stop")
    domain.new_task("late").start()
    profiler.dump()
    found = events_of(session)
    assert [(event["ph"], event["cat"], event["name"]) for event in found] == [
        ("X", "mine", "t"), ("X", "mine,frame", "f"), ("X", "event", "e"),
        *[("C", "mine", "c")] * 4, ("i", "mine,instant_marker", "m"),
    ]  # fmt: skip
    assert [event["args"]["c"] for event in found if event["ph"] == "C"] == [5, 7, 3, 9]
    assert times()["mine"]["c"] == {"Count": 4, "Total": 24, "Min": 3, "Max": 9, "Avg": 6}
    assert all(event["dur"] >= 0 for event in found if event["ph"] == "X")


def test_marks_and_operators_share_a_clock(session):
    profiler.set_state("run")
    with profiler.Event("outer"):
        mx.nd.ones((2, 3)).sum().wait_to_read()
    profiler.dump()
    events = {event["name"]: event for event in events_of(session)}
    outer, inner = events["outer"], events["sum"]
    # The engine's clock starts a moment after the one that it is compared with is read.
    assert outer["ts"] - 1000 <= inner["ts"]
    assert inner["ts"] + inner["dur"] <= outer["ts"] + outer["dur"] + 1000


def test_dumps_between_and_a_new_profile(session):
    profiler.set_state("run")
    profiler.Domain("d").new_counter("first", 1)
    profiler.dump(False)
    assert [event["name"] for event in events_of(session)] == ["first"]
    profiler.Domain("d").new_counter("second", 1)
    profiler.dump()
    assert [event["name"] for event in events_of(session) if event["ph"] == "C"] == ["first", "second"]
    profiler.set_state("run")
    profiler.Domain("d").new_counter("third", 1)
    profiler.dump()
    assert [event["name"] for event in events_of(session) if event["ph"] == "C"] == ["third"]


def test_calls_that_are_only_counted(session):
    figures = profiler.session.Figures()
    assert figures.row()["Count"] == 0
    for duration, arguments in ((2000, {}), (0, {"timed": False}), (4000, {"timed": True}), (0, {"timed": False})):
        figures.add({"ph": "X", "name": "x", "dur": duration, "args": arguments})
    assert figures.row() == {"Count": 4, "Total": 12, "Min": 2, "Max": 4, "Avg": 3}


@pytest.mark.parametrize("sort_by", ["total", "avg", "min", "max", "count"])
@pytest.mark.parametrize("ascending", [False, True])
def test_order_of_tables(session, sort_by, ascending):
    profiler.set_state("run")
    for name, values in (("a", [1, 9]), ("b", [4]), ("c", [2, 3, 5])):
        for value in values:
            profiler.Domain("d").new_counter(name, value)
    profiler.set_state("stop")
    column = {"total": "Total", "avg": "Avg", "min": "Min", "max": "Max", "count": "Count"}[sort_by]
    found = [row[column] for row in times(sort_by=sort_by, ascending=ascending)["d"].values()]
    assert found == sorted(found, reverse=not ascending)


def test_settings_are_checked(session):
    with pytest.raises(mx.MXNetError, match="no argument 'profile_nothing'"):
        profiler.set_config(profile_nothing=True)
    with pytest.raises(mx.MXNetError, match="profile_all must be True or False, got 'x'"):
        profiler.set_config(profile_all="x")
    with pytest.raises(mx.MXNetError, match="'worker' or 'server'"):
        profiler.set_config(profile_process="x")
    with pytest.raises(KeyError, match="'run' or 'stop'"):
        profiler.set_state("walk")
    for wrong in ({"format": "xml"}, {"sort_by": "name"}, {"ascending": 5}, {"reset": "no"}):
        with pytest.raises(AssertionError, match=next(iter(wrong))):
            profiler.dumps(**wrong)
    profiler.set_config(aggregate_stats=False)
    assert profiler.dumps() == ""


def test_settings_change_while_it_runs(session):
    profiler.set_config(profile_all=False, profile_symbolic=False, profile_imperative=False)
    profiler.set_state("run")
    x = mx.nd.ones((2,))
    x.exp().wait_to_read()
    profiler.set_config(profile_imperative=True)
    x.log().wait_to_read()
    profiler.set_config(profile_imperative=False)
    x.sin().wait_to_read()
    profiler.set_state("stop")
    assert "log" in times()["operator"]
    assert not {"exp", "sin"} & set(times()["operator"])


def test_old_names(session):
    with pytest.warns(DeprecationWarning, match="set_config"):
        profiler.profiler_set_config("imperative", str(session))
    with pytest.warns(DeprecationWarning, match="set_state"):
        profiler.profiler_set_state("run")
    mx.nd.ones((2,)).wait_to_read()
    with pytest.warns(DeprecationWarning, match="dump"):
        profiler.dump_profile()
    assert events_of(session)


class Scaled(mx.operator.CustomOp):
    def forward(self, is_train, req, in_data, out_data, aux):
        self.assign(out_data[0], req[0], in_data[0] + 1)
        mx.nd.zeros((300, 400)).wait_to_read()

    def backward(self, req, out_grad, in_data, out_data, in_grad, aux):
        self.assign(in_grad[0], req[0], mx.nd.broadcast_mul(out_grad[0], out_data[0]))


@mx.operator.register("profiled_scale")
class ScaledProp(mx.operator.CustomOpProp):
    def create_operator(self, ctx, shapes, dtypes):
        return Scaled()


@pytest.mark.parametrize("bound", [False, True])
def test_what_custom_operators_do_stands_under_their_name(session, bound):
    x = mx.nd.ones((3,))
    x.attach_grad()
    profiler.set_state("run")
    if bound:
        executor = mx.sym.Custom(mx.sym.var("x"), op_type="profiled_scale").bind(mx.cpu(), {"x": x}, {"x": x.grad})
        executor.forward(is_train=True)
        executor.backward(mx.nd.ones((3,)))
    else:
        with mx.autograd.record():
            y = mx.nd.Custom(x, op_type="profiled_scale")
        y.backward()
    mx.nd.exp(x).wait_to_read()
    mx.nd.waitall()
    profiler.set_state("stop")
    found = times()
    custom = found["Custom Operator"]
    expected = {"profiled_scale::pure_python", "profiled_scale::_plus_scalar", "profiled_scale::_zeros"}
    expected |= {"_backward_profiled_scale::pure_python", "_backward_profiled_scale::broadcast_mul"}
    assert expected <= custom.keys()
    assert all(row["Count"] == 1 for name, row in custom.items() if name in expected)
    assert custom["profiled_scale::pure_python"]["Total"] >= custom["profiled_scale::_zeros"]["Total"]
    assert "exp" in found["operator"] and not {"_plus_scalar", "broadcast_mul"} & found["operator"].keys()


def test_tables_tell_the_memory_in_use(session):
    profiler.set_state("run")
    before = mx.engine.storage()["in_use"]
    kept = mx.nd.ones((1000, 500))
    kept.wait_to_read()
    profiler.set_state("stop")
    found = json.loads(profiler.dumps(format="json"))
    row = found["Memory"]["Device Storage"]["Memory: cpu/0"]
    assert found["Unit"]["Memory"] == "kB"
    assert row["Count"] >= 2 and row["Min"] <= row["Avg"] <= row["Max"]
    assert row["Max"] >= (before + kept.size * 4) / 1000 >= row["Min"]
    assert re.search(r"Device Storage\n=+\nName +Total Count +Min Use .kB.", profiler.dumps(reset=True))
    assert json.loads(profiler.dumps(format="json"))["Memory"] == {}
    profiler.set_config(profile_all=False, profile_memory=False)
    profiler.set_state("run")
    profiler.set_state("stop")
    assert json.loads(profiler.dumps(format="json"))["Memory"] == {}
