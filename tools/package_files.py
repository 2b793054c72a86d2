"""List the files of the package that are installed as they are, one a line, for meson.build."""

import pathlib
import sys

FOLDERS = ("engine", "ops", "profiler", "frontend")
SUFFIXES = {".py", ".pyi", ".pxd", ".hpp", ".npz", ".json", ".html", ".css", ".js"}


def package_files(root):
    """Paths below `root` of everything that is installed without being compiled."""
    yield from sorted(path.name for path in root.glob("*.py"))
    yield "py.typed"
    for folder in FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in SUFFIXES and not path.name.startswith("."):
                yield str(path.relative_to(root))


if __name__ == "__main__":
    print("\n".join(package_files(pathlib.Path(sys.argv[1]))))
