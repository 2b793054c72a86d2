"""Names are counted for each kind, nest, and belong to a thread."""

import threading

import pytest

from weft import attribute, name


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


@pytest.mark.parametrize("kind", [name.NameManager, attribute.AttrScope])
def test_current_scope_can_be_set_for_one_thread(kind):
    before = kind.current
    mine = kind.current = kind()
    others = []

    def other_thread():
        others.append(kind.current)
        kind.current = kind()
        others.append(kind.current)

    try:
        thread = threading.Thread(target=other_thread)
        thread.start()
        thread.join()
        assert kind.current is mine
        assert kind._current.value is mine
        assert len({id(scope) for scope in [mine, before, *others]}) == 4
        with kind() as inner:
            assert kind.current is inner
        assert kind.current is mine
    finally:
        kind.current = before


def test_a_scope_of_attributes_that_was_set_counts():
    before = attribute.AttrScope.current
    attribute.AttrScope.current = attribute.AttrScope(ctx_group="first")
    try:
        assert attribute.current().get(None) == {"ctx_group": "first"}
    finally:
        attribute.AttrScope.current = before
