"""What README and docs say: their examples run, their links lead somewhere, README is short."""

import os
import re
from pathlib import Path

import keras
import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [
        ROOT / "README.md",
        ROOT / "ARCHITECTURE.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").rglob("*.md"),
    ]
)
# What each guide says of its examples.
GUIDES = {
    "check_gradients": lambda names: names["wrong"].failures[0].cause.startswith("a term"),
    "how_to_add": lambda names: "checks within" in names["stop"].reason and not names["silent"],
    "index": lambda names: names["diagnosis"].findings,
    "notes": lambda names: True,
    "second_order": lambda names: names["optimizer"].status == "converged",
    "tune_overnight": lambda names: len(names["search"].results()) == 4,
    "versions": lambda names: True,
    "which_optimizer": lambda names: (
        max(loss for name, loss in names["losses"].items() if name != "Adam")
        < names["losses"]["Adam"] / 100
    ),
}
# What the guide along the symptoms says of each of its networks.
CAUSES = {
    "flat": {"initial_weights_too_small", "vanishing_gradients"},
    "nan": {"learning_rate_too_high", "non_finite_loss"},
    "chance": {"labels_do_not_fit_loss"},
    "learned": {"overfitting"},
    "slow": {"learning_rate_too_low"},
}
EXAMPLE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
# The second of a row's three cells.
ROW = re.compile(r"^\|[^|]*\|([^|]*)\|[^|]*\|$", re.MULTILINE)
# The name and the last of the cells.
OLDEST = re.compile(r"^\| (\w+)[^|]*\|[^|]*\| ([\d.]+) \|$", re.MULTILINE)
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
@pytest.mark.parametrize("page", GUIDES)
def test_a_guides_examples(page, tmp_path, monkeypatch):
    keras.utils.set_random_seed(0)
    assert GUIDES[page](run_examples(ROOT / "docs" / f"{page}.md", tmp_path, monkeypatch))


@pytest.mark.any_backend
def test_why_a_network_does_not_train(tmp_path, monkeypatch):
    keras.utils.set_random_seed(0)
    page = ROOT / "docs" / "not_training.md"
    names = run_examples(page, tmp_path, monkeypatch)
    for network, causes in CAUSES.items():
        assert names[network][0].cause in causes
        assert all(f"`{cause}`" in page.read_text() for cause in causes)
    assert not names["healthy"]


@pytest.mark.any_backend
def test_the_causes_in_its_tables_exist():
    known = (ROOT / "docs" / "diagnosis.md").read_text()
    rows = ROW.findall((ROOT / "docs" / "not_training.md").read_text())
    causes = {cause for row in rows for cause in re.findall(r"`(\w+)`", row)}
    assert len(causes) > 20
    assert all(f"`{cause}`" in known for cause in causes)


@pytest.mark.any_backend
def test_the_oldest_versions_are_those_that_the_package_asks_for():
    rows = OLDEST.findall((ROOT / "docs" / "versions.md").read_text())
    asked = (ROOT / "pyproject.toml").read_text()
    names = {"Python": 'requires-python = "', "OpenCV": "opencv-python-headless"}
    assert len(rows) == 9
    for name, version in rows:
        assert f'{names.get(name, name.lower())}>={version}"' in asked


@pytest.mark.any_backend
def test_the_readme_is_read_in_three_minutes():
    assert len((ROOT / "README.md").read_text().split()) <= 700


def anchors(page):
    """The places of a page that a link can name."""
    headings = HEADING.findall(page.read_text())
    return {re.sub(r"[^\w\- ]", "", text.lower()).strip().replace(" ", "-") for text in headings}


@pytest.mark.any_backend
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for link in LINK.findall(page.read_text()):
        if link.startswith("http"):
            continue
        path, _, place = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not place or place in anchors(target), link
