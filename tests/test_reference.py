"""Every public name has a place in the API reference."""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import pytest

import keras_dlnotes as kd

PAGES = Path(__file__).parents[1] / "docs" / "reference"
DIRECTIVE = re.compile(r"^::: (\S+)$", re.MULTILINE)
DOCUMENTED = [name for page in PAGES.glob("*.md") for name in DIRECTIVE.findall(page.read_text())]


def public_names():
    """Each public name with the package that it is public in."""
    modules = [kd, *(getattr(kd, name) for name in kd.__all__)]
    modules = [module for module in modules if inspect.ismodule(module)]
    for name in ("keras_dlnotes.gradient_check", "keras_dlnotes.summaries", "keras_dlnotes_layers"):
        modules.append(importlib.import_module(name))
    for module in modules:
        for name in module.__all__:
            if not inspect.ismodule(getattr(module, name)):
                yield pytest.param(module, name, id=f"{module.__name__}.{name}")


@pytest.mark.any_backend
@pytest.mark.parametrize(("module", "name"), list(public_names()))
def test_a_public_name_has_a_place(module, name):
    item = getattr(module, name)
    assert any(pkgutil.resolve_name(documented) is item for documented in DOCUMENTED)


@pytest.mark.any_backend
def test_nothing_is_described_twice():
    assert len(set(DOCUMENTED)) == len(DOCUMENTED)


@pytest.mark.any_backend
def test_each_page_of_the_reference_is_in_its_table():
    table = (PAGES / "index.md").read_text()
    for page in PAGES.glob("*.md"):
        assert page.name == "index.md" or f"({page.name})" in table
