"""What README and docs say: their examples run, their links lead somewhere, README is short."""

import os
import re
from pathlib import Path

import keras
import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "ARCHITECTURE.md", *(ROOT / "docs").glob("*.md")])
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def run_examples(page, folder, monkeypatch):
    """Runs a page's examples one after the other, as its reader would, and returns their names."""
    monkeypatch.chdir(folder)
    names = {"__name__": "examples"}
    for example in EXAMPLE.findall(page.read_text()):
        exec(compile(example, str(page), "exec"), names)
    return names


@pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="elsewhere compiling a ResNet50 takes a minute"
)
def test_the_readmes_example(tmp_path, monkeypatch, capsys):
    keras.utils.set_random_seed(0)
    names = run_examples(ROOT / "README.md", tmp_path, monkeypatch)
    found = {finding.cause: finding for finding in names["diagnosis"].findings}
    assert {"learning_rate_too_high", "unscaled_inputs"} <= found.keys()
    assert str(found["unscaled_inputs"]) in (ROOT / "README.md").read_text()
    assert found["unscaled_inputs"].headline() in capsys.readouterr().out
    assert any("events.out" in name for _, _, files in os.walk(tmp_path) for name in files)


def test_the_first_steps(tmp_path, monkeypatch):
    keras.utils.set_random_seed(0)
    names = run_examples(ROOT / "docs" / "first_steps.md", tmp_path, monkeypatch)
    assert len(names["search"].results()) == 5


@pytest.mark.any_backend
def test_the_readme_is_read_in_three_minutes():
    assert len((ROOT / "README.md").read_text().split()) <= 700


def anchors(page):
    """The places of a page that a link can name."""
    headings = HEADING.findall(page.read_text())
    return {re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-") for text in headings}


@pytest.mark.any_backend
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for link in LINK.findall(page.read_text()):
        if link.startswith("http"):
            continue
        path, _, place = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not place or place in anchors(target), link
