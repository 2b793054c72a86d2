#!/usr/bin/env bash
# mypy over the package, whatever the checkout is called: mypy names modules after folders, as Cython does.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
mkdir "$stage/weft"
for name in __init__.py __main__.py py.typed engine ops profiler frontend; do
  cp -rs "$root/$name" "$stage/weft/$name"
done
# What comes from an extension module without a stub of its own is Any.
find "$stage/weft" -name '*.pyx' | while read -r source; do
  stub=${source%.pyx}.pyi
  [ -e "$stub" ] || printf 'from typing import Any\n\ndef __getattr__(name: str) -> Any: ...\n' > "$stub"
done
cd "$stage"
mypy --config-file "$root/pyproject.toml" --cache-dir "$stage/.cache" -p weft "$@"
