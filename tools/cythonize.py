"""Compile one .pyx file to C++ in a staged package folder (see meson.build for why it is staged)."""

import argparse
import contextlib
import os
import pathlib
import sys

LAYERS = ("engine", "ops", "profiler", "frontend")
DIRECTIVES = {"language_level": "3", "boundscheck": "False", "wraparound": "False", "cdivision": "True", "embedsignature": "False"}
CHECKED = {"boundscheck": "True", "initializedcheck": "True", "nonecheck": "True"}


def stage(root, folder):
    """Link every .pyx, .pxd, .pxi and __init__.py below `root` into `folder`; several processes do this at once."""
    sources = {root / "__init__.py"}
    for layer in LAYERS:
        sources.update(path for path in (root / layer).rglob("*") if path.suffix in (".pyx", ".pxd", ".pxi") or path.name == "__init__.py")
    for source in sources:
        link = folder / source.relative_to(root)
        link.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            link.symlink_to(source)
    for link in folder.rglob("*"):
        if link.is_symlink() and not link.exists():
            link.unlink(missing_ok=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", type=pathlib.Path, required=True)
    parser.add_argument("--stage", type=pathlib.Path, required=True)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--checks", action="store_true")
    mode.add_argument("--fast", action="store_true")
    parser.add_argument("source", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("depfile", type=pathlib.Path)
    args = parser.parse_args()
    stage(args.root, args.stage)
    staged = args.stage / args.source.resolve().relative_to(args.root.resolve())
    directives = DIRECTIVES | (CHECKED if args.checks else {})

    from Cython.Compiler.Main import main as cython

    output = args.output.resolve()
    sys.argv = ["cython", "--cplus", "-3", "--depfile", "--fast-fail", "-o", str(output)]
    for name, value in directives.items():
        sys.argv += ["-X", f"{name}={value}"]
    sys.argv.append(str(staged))
    status = cython(command_line=1)
    # Cython names the depfile after its output; ninja wants the target as it knows it.
    written = output.with_name(output.name + ".dep")
    text = written.read_text(encoding="utf-8")
    _, _, dependencies = text.partition(": ")
    written.unlink()
    args.depfile.write_text(f"{args.output}: {dependencies}", encoding="utf-8")
    return status


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    sys.exit(main())
