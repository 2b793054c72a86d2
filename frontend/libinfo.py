"""Version of weft, and where its libraries are."""

from __future__ import annotations

# MXNet's API level (1.9), then weft's own count from 100: see docs/decisions/0001-version.md.
__version__ = "1.9.100"
