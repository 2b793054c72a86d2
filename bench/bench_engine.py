"""Empty tasks through the engine, push to completion: ``python bench/bench_engine.py``.

``engine_client.pyx`` is built first, as another package's extension would be (needs Cython and a compiler). Tasks are
measured as weft runs them (cheap ones on the pushing thread where nothing is busy) and, with a declared cost that sends
them to the workers, through the queue. The targets are those of the design, measured on 2 cores.
"""

from __future__ import annotations

import importlib.util
import statistics
import sys
import tempfile
from pathlib import Path
from types import ModuleType

import weft
from weft import engine

TASKS = 100_000
TARGETS = {"chain": 120, "independent": 180, "random": 350}


def build_client() -> ModuleType:
    """Compile the client into a temporary folder and import it."""
    from Cython.Build import cythonize
    from setuptools import Distribution, Extension
    from setuptools.command.build_ext import build_ext

    source = Path(__file__).with_name("engine_client.pyx")
    folder = tempfile.mkdtemp(prefix="weft-bench-")
    extension = Extension("engine_client", [str(source)], language="c++", extra_compile_args=["-O2"])
    # An editable install has no folder named weft for Cython to find capi.pxd in: give it one.
    include = Path(folder, "include")
    include.mkdir()
    include.joinpath("weft").symlink_to(Path(weft.__file__).parent, target_is_directory=True)
    modules = cythonize([extension], build_dir=folder, include_path=[str(include)], quiet=True)
    command = build_ext(Distribution({"ext_modules": modules}))
    command.build_lib = command.build_temp = folder
    command.ensure_finalized()
    command.run()
    spec = importlib.util.spec_from_file_location("engine_client", command.get_ext_fullpath("engine_client"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> None:
    """Print ns a task beside the targets."""
    client = build_client()
    print(f"{TASKS} empty tasks, {engine.settings()['cores']} cores, ns a task: median (best)")
    print(f"{'pattern':12} {'as weft runs them':>20} {'all through the queue':>24} {'target':>8}")
    engine.configure(max_pending=4 * TASKS)
    for pattern, target in TARGETS.items():
        inline = client.measure(pattern, TASKS, 0.0, 9)
        queued = client.measure(pattern, TASKS, 1e4, 9)
        print(
            f"{pattern:12} {statistics.median(inline):12.0f} ({min(inline):4.0f}) {statistics.median(queued):15.0f} "
            f"({min(queued):5.0f}) {target:8}"
        )


if __name__ == "__main__":
    sys.exit(main())
