#!/usr/bin/env python3
"""Print the version, which stands in frontend/libinfo.py alone."""

import pathlib
import re

text = (pathlib.Path(__file__).parents[1] / "frontend" / "libinfo.py").read_text(encoding="utf-8")
print(re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE).group(1))
