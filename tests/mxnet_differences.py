"""The one table of places where weft knowingly answers differently from MXNet 1.9.1.

Each entry: (family pattern, case pattern, what may differ, why). Patterns are shell-style.
What may differ: ``error`` MXNet refuses and weft may answer; ``values`` the values;
``gradient`` the gradients; ``all`` the case is not run.
"""

import fnmatch

DIFFERENCES = (
    ("*", "*-float16", "error", "MXNet 1.9.1 has no float16 kernel on CPU for it; weft computes"),
)


def differs(family, case_id, what):
    """The reason why this part of the case may differ, or None."""
    for families, cases, kind, reason in DIFFERENCES:
        if kind in (what, "all") and fnmatch.fnmatchcase(family, families) and fnmatch.fnmatchcase(case_id, cases):
            return reason
    return None
