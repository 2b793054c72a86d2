"""oneDNN is found however the environment is laid out."""

from __future__ import annotations

import os
import platform
import sys
from importlib import metadata
from types import SimpleNamespace

import pytest

from weft.ops.cpu import _target, onednn_library

NAME = "libdnnl.so.3"


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """No library in sight, and a folder for layouts of one's own."""
    monkeypatch.delenv("WEFT_ONEDNN", raising=False)
    monkeypatch.setattr(metadata, "distributions", lambda **_: iter(()))
    monkeypatch.setattr(onednn_library, "_target", SimpleNamespace(__file__=str(tmp_path / "weft/ops/cpu/_target.so")))
    monkeypatch.setattr(onednn_library, "__file__", str(tmp_path / "weft/ops/cpu/onednn_library.py"))
    for prefix in ("prefix", "base_prefix"):
        monkeypatch.setattr(sys, prefix, str(tmp_path / prefix))
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setattr(onednn_library.site, "getuserbase", lambda: str(tmp_path / "user"))
    return tmp_path


def place(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return os.path.realpath(path)


def test_nothing_in_sight(nowhere):
    assert onednn_library.candidates() == [NAME]


@pytest.mark.parametrize(
    "where",
    [
        f"weft/ops/cpu/onednn_files/{NAME}",  # any install of weft's wheel, --target too
        f"weft/ops/cpu/{NAME}",  # the build folder of an editable install
        f"prefix/lib/{NAME}",  # oneDNN's own wheel: in a virtual environment,
        f"base_prefix/lib/{NAME}",  # in the one it is made from,
        f"user/lib/{NAME}",  # with --user
    ],
)
def test_layouts(nowhere, where):
    path = place(nowhere / where)
    assert onednn_library.candidates() == [path, NAME]


def test_what_weft_carries_comes_first(nowhere):
    other = place(nowhere / "prefix/lib" / NAME)
    own = place(nowhere / "weft/ops/cpu/onednn_files" / NAME)
    assert onednn_library.candidates() == [own, other, NAME]


def test_a_lost_file_is_named_unless_weft_carries_it(nowhere, monkeypatch):
    recorded = SimpleNamespace(name=NAME, locate=lambda: nowhere / "gone" / NAME)
    monkeypatch.setattr(metadata, "distributions", lambda **_: iter([SimpleNamespace(files=[recorded])]))
    assert "WEFT_ONEDNN can name a copy" in onednn_library.lost_files()[0]
    place(nowhere / "weft/ops/cpu/onednn_files" / NAME)
    assert onednn_library.lost_files() == []


@pytest.mark.skipif((sys.platform, platform.machine()) != ("linux", "x86_64"), reason="no wheel of oneDNN to carry")
def test_this_build_carries_the_library():
    folder = os.path.dirname(os.path.realpath(_target.__file__))
    assert os.path.commonpath([folder, onednn_library.candidates()[0]]) == folder
