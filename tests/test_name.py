"""Names are counted for each kind, nest, and belong to a thread."""

import threading

from weft import name


def test_managers_nest_and_come_back():
    outer = name.current()
    with name.NameManager() as first:
        assert name.current() is first
        assert first.get(None, "a") == "a0"
        with name.Prefix("p_") as second:
            assert name.current().get(None, "a") == "p_a0"
            with first:
                assert first.get(None, "a") == "a1"
            assert name.current() is second
        assert name.current() is first
    assert name.current() is outer


def test_threads_have_managers_of_their_own():
    found = []
    with name.Prefix("p_"):
        thread = threading.Thread(target=lambda: found.append(name.current().get(None, "x")))
        thread.start()
        thread.join()
    assert found == ["x0"]
