"""The documents say what the code says."""

import pathlib
import re

import pytest

from weft.engine import environment
from weft.frontend.graph import environment as graph_environment

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]


def test_environment_variables():
    page = (ROOT / "docs" / "environment.md").read_text(encoding="utf-8")
    for table in (environment.VARIABLES, graph_environment.VARIABLES):
        assert environment.describe(table) in page


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_architecture_names_files_that_exist():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    for name in re.findall(r"`([\w./]+\.(?:py|pyx|pxd|cpp|hpp|md|build)|[\w/]+/)`", text):
        assert (ROOT / name).exists(), name
