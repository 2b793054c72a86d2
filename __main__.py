"""``python -m weft``: the command line."""

from .frontend.cli import main

raise SystemExit(main())
