#!/usr/bin/env bash
# mypy over the package, whatever the checkout is called: mypy names modules after folders, as Cython does.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
mkdir "$stage/weft"
for name in __init__.py __main__.py py.typed engine ops profiler frontend; do
  ln -s "$root/$name" "$stage/weft/$name"
done
cd "$stage"
mypy --config-file "$root/pyproject.toml" --cache-dir "$root/.mypy_cache" -p weft "$@"
