"""The notebooks in docs: their cells run, their claims hold, and their outputs are kept."""

import ast
import contextlib
import io
import json
import platform
import re
from pathlib import Path

import pytest

from keras_dlnotes_layers import history_of

plt = pytest.importorskip("matplotlib.pyplot")
pytest.importorskip("sklearn")

FOLDER = Path(__file__).parents[1] / "docs" / "notebooks"
MOST_LINES = 25
# A file on somebody's machine, or an address.
PLACES = re.compile(r"(?<![\w.])/(?:home|mnt|root|srv|tmp|usr|var|Users)\b|\b[A-Z]:\\|\w://")
LINK = re.compile(r"\]\(([^)\s]+)\)")


def training_helps(names):
    causes = {finding.cause for finding in names["diagnosis"].findings}
    assert causes & {"initial_weights_too_small", "vanishing_gradients"}
    assert names["accuracy_before"] < 0.3
    assert names["accuracy_after"] > 0.8
    assert names["repaired"].gain > 0.5
    before, after = (history_of(names[run].layers).views for run in ("before", "after"))
    for statistic, last, first in (("activation_scale", 7, 0), ("gradient_norm", 0, 8)):
        faded, kept = (views[statistic][0] for views in (before, after))  # at step 0
        assert faded[last] < 1e-6 * faded[first]
        assert kept[last] > 0.1 * kept[first]


def second_order_is_ahead(names):
    digits, curve = names["on_digits"], names["on_curve"]
    assert min(digits["L-BFGS"]) < min(digits["Adam(0.01)"]) / 10
    assert names["accuracy"] > 0.9
    assert min(curve["L-BFGS"]) < min(curve["Adam(0.01)"])
    assert min(curve["Gauss-Newton"]) < min(curve["L-BFGS"]) / 10


def the_fault_is_found(names):
    assert not names["report"].passed
    assert names["report"].failures[0].cause.startswith("a term is missing")
    assert names["mended_report"].passed
    assert names["model_report"].passed
    assert len(names["model_report"].rows) == 4
    assert names["wrong"]["accuracy"][-1] > 0.7
    assert names["right"]["loss"][-1] < 0.7 * names["wrong"]["loss"][-1]


CLAIMS = {
    "check_your_layer": the_fault_is_found,
    "second_order_in_fit": second_order_is_ahead,
    "why_not_training": training_helps,
}


def cells_of(name, kind=None):
    cells = json.loads((FOLDER / f"{name}.ipynb").read_text())["cells"]
    return [cell for cell in cells if kind in (None, cell["cell_type"])]


def source_of(cell):
    return "".join(cell["source"])


def run(source, names):
    """Runs a cell and returns which kinds of output a notebook would show of it."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    printed, value = io.StringIO(), None
    with contextlib.redirect_stdout(printed):
        exec(compile(tree, "cell", "exec"), names)
        if last is not None:
            value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
    kinds = {"text"} if printed.getvalue() else set()
    if plt.get_fignums() or hasattr(value, "_repr_png_"):
        kinds.add("image/png")
    elif value is not None:
        kinds.add("text/plain")
    plt.close("all")
    return kinds


def kept_kinds(cell):
    """The same of what was kept."""
    kinds = set()
    for output in cell["outputs"]:
        data = output.get("data", {})
        kinds.add("image/png" if "image/png" in data else "text/plain" if data else "text")
    return kinds


@pytest.mark.any_backend
@pytest.mark.parametrize("name", CLAIMS)
def test_a_notebook_runs_shows_what_is_kept_and_keeps_its_word(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plt.switch_backend("agg")
    plt.close("all")  # what other tests have left open would be shown
    names = {"__name__": "notebook"}
    for cell in cells_of(name, "code"):
        assert run(source_of(cell), names) == kept_kinds(cell), source_of(cell)
    CLAIMS[name](names)
    assert not list(tmp_path.iterdir())


@pytest.mark.any_backend
def test_each_notebook_has_its_claims():
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == CLAIMS.keys()


@pytest.mark.any_backend
@pytest.mark.parametrize("name", CLAIMS)
def test_outputs_are_those_of_one_run_and_name_no_machine(name):
    cells = cells_of(name, "code")
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    for output in (output for cell in cells for output in cell["outputs"]):
        assert output["output_type"] in ("stream", "display_data", "execute_result")
        assert output.get("name") != "stderr", output
        data = {kind: text for kind, text in output.get("data", {}).items() if "image" not in kind}
        text = "".join([*output.get("text", []), *("".join(part) for part in data.values())])
        assert not PLACES.search(text), text
        assert platform.node() not in text.split()


@pytest.mark.any_backend
@pytest.mark.parametrize("name", CLAIMS)
def test_each_short_cell_of_code_comes_after_one_of_text(name):
    cells = cells_of(name)
    kinds = [cell["cell_type"] for cell in cells]
    assert kinds == ["markdown", "code"] * (len(kinds) // 2) + ["markdown"]
    assert "setdefault" in source_of(cells[1])
    for cell in cells:
        lines = source_of(cell).splitlines()
        assert len(lines) <= MOST_LINES
        assert not any(line.startswith(("%", "!")) for line in lines)
        for link in LINK.findall(source_of(cell)):
            assert (FOLDER / link.partition("#")[0]).exists(), link


def test_places_are_known_from_other_text():
    for text in ("/tmp/run", "in /home/anna", "C:\\Users", "https://example", "(/srv/x)"):
        assert PLACES.search(text), text
    for text in ("loss/val", "a/tmp", "8/64", "x /= 2", "logs/home"):
        assert not PLACES.search(text), text
