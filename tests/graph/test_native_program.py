"""Builds the test program of bound graphs, which knows no Python, and runs it plain and under sanitizers."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMPILER = os.environ.get("CXX") or shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")


@pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler")
@pytest.mark.parametrize(
    ("flags", "scale"),
    [([], 4), (["-fsanitize=thread"], 1), (["-fsanitize=address,undefined"], 2)],
    ids=["plain", "thread", "address"],
)
def test_program(tmp_path: Path, flags: list[str], scale: int) -> None:
    sources = [path for path in sorted((ROOT / "engine" / "core").glob("*.cpp")) if path.stem != "version"]
    sources += [ROOT / "frontend" / "graph" / name for name in ("program.cpp", "spread.cpp")]
    program = tmp_path / "program"
    build = [COMPILER, "-std=c++17", "-O1", "-g", *flags, f"-I{ROOT}", str(Path(__file__).with_name("test_program.cpp"))]
    command = [*build, *map(str, sources), "-pthread", "-o", str(program)]
    built = subprocess.run(command, capture_output=True, text=True)
    if built.returncode and flags and "cannot find" in built.stderr:
        pytest.skip("the compiler's sanitizer runtime is not installed")
    assert built.returncode == 0, built.stderr
    options = "halt_on_error=1:allocator_may_return_null=1"
    environment = {**os.environ, "TSAN_OPTIONS": options, "ASAN_OPTIONS": options, "UBSAN_OPTIONS": "halt_on_error=1"}
    run = subprocess.run([str(program), str(scale)], capture_output=True, text=True, env=environment, timeout=300)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.strip().endswith("ok")
