"""The programs in examples/ run as their first lines say."""

import pathlib
import subprocess
import sys

import pytest

EXAMPLES = pathlib.Path(__file__).parents[1] / "examples"


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_example(path):
    how = ["-m", "weft.as_mxnet"] if "import mxnet" in path.read_text(encoding="utf-8") else []
    done = subprocess.run([sys.executable, *how, str(path)], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    assert "True" in done.stdout and "False" not in done.stdout
