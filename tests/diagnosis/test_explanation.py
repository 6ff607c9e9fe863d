"""What is printed of a finding, and what is shown of it on request."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from keras_dlnotes.diagnosis import BatchSkill, Findings, findings_of
from keras_dlnotes.diagnosis.explanation import Explanation
from keras_dlnotes.diagnosis.rules import RULES
from keras_dlnotes.measures import Skill
from tests.diagnosis.test_rules import ALL_RULES, CASES, DEAD, evidence, layers

pytest.importorskip("matplotlib")
NAMED = {rule.__name__: rule for rule in ALL_RULES}
BATCHES = [BatchSkill(step, Skill(0.0, 0.1), 0.05) for step in range(1, 1000, 10)]
TOO_HIGH = evidence({"learning_rate": 1.0}, batch_skills=BATCHES)


@pytest.mark.parametrize(
    ("rule", "found"), [(case[0], case[2]) for case in CASES], ids=[case[1] for case in CASES]
)
def test_a_finding_is_printed_in_four_lines(rule, found):
    for finding in NAMED[rule](found):
        lines = f"12. {finding}".splitlines()
        assert len(lines) <= 4
        assert max(map(len, lines)) <= 104
        assert finding.headline() in lines[0]
        printed = " ".join(str(finding).split())
        assert "  do: " in str(finding)
        assert finding.remedy[:40] in printed
        full = str(Explanation(finding, found))
        for text in (finding.symptom, finding.explanation, finding.remedy, *finding.evidence):
            assert text in full


def test_what_was_tried_comes_before_the_reason():
    (finding,) = NAMED["learning_rate"](TOO_HIGH)
    finding.verified = {"sentence": "skill 0.10 without and 0.90 with the remedy"}
    assert "tried on a copy: skill 0.10" in str(finding)
    assert "why" not in str(finding)
    assert len(str(finding).splitlines()) <= 4
    assert "why" in finding.in_full()


def test_the_figure_shows_the_loss_the_skill_and_what_decided(tmp_path):
    found = Findings(findings_of(TOO_HIGH), evidence=[TOO_HIGH])
    explanation = found.explain(1)
    titles = [axes.get_title() for axes in explanation.figure.axes if axes.get_visible()]
    assert titles == [
        "Training loss",
        "Skill by accuracy, batch by batch",
        "What decided: learning rate",
        "By layer: size of an update over that of the weights",
    ]
    assert "best constant prediction" in _legend(explanation.figure.axes[0])
    assert "kernel ridge regression" in _legend(explanation.figure.axes[1])
    assert "upper threshold" in _legend(explanation.figure.axes[2])
    path = tmp_path / "why.png"
    explanation.save(path)
    assert path.stat().st_size > 10_000
    assert "<img src=" in explanation._repr_html_()
    assert "kernel ridge regression 0.9" in str(explanation)


def _legend(axes):
    return [text.get_text() for text in axes.get_legend().get_texts()]


def test_layers_are_shown_where_the_finding_is_about_one():
    dead = evidence(layers(name="$many$"), units={"$many$": DEAD, "other": replace(DEAD, dead=0.1)})
    found = Findings(findings_of(dead), evidence=[dead])
    assert found[0].cause == "dead_units"
    panel = found.explain(1).panels[-1]
    assert panel.bars == [("$many$", 1.0), ("other", 0.1)]
    assert panel.marked == ("$many$",)
    found.explain(1).figure.canvas.draw()  # dollar signs are no formula


def test_it_is_said_how_many_of_many_layers_are_shown():
    every = [f"layer_{number}" for number in range(40)]
    hidden = layers()["layers"][0]
    model = {"layers": [replace(hidden, name=name) for name in every]}
    dead = evidence(model, units=dict.fromkeys(every, DEAD))
    panel = Findings(findings_of(dead), evidence=[dead]).explain(1).panels[-1]
    assert panel.title == "By layer: share of silent units (16 of 40 layers)"
    assert len(panel.bars) == 16


def test_the_output_in_which_it_was_found_is_shown():
    other = evidence({"outputs": 2}, skill=Skill(0.9, 0.9), losses=[7.0] * 20)
    bad = evidence({"outputs": 2, "learning_rate": 1.0}, losses=[9.0] * 20)
    found = Findings(findings_of(other, bad), evidence=[other, bad])
    assert found[0].cause == "learning_rate_too_high"
    assert found.explain(1).panels[0].lines[0][2][0] == 9.0


def test_what_both_outputs_have_is_shown_of_the_first_or_of_the_one_it_was_found_in():
    model = {"outputs": 2, "learning_rate": 1.0}
    first, second = (evidence(model, losses=[loss] * 20) for loss in (7.0, 9.0))
    found = Findings(findings_of(first, second), evidence=[first, second])
    assert found.explain(1).panels[0].lines[0][2][0] == 7.0
    few, many = (
        evidence(layers(name="a"), units={"a": replace(DEAD, dead=dead)}, losses=[loss] * 20)
        for dead, loss in ((0.97, 7.0), (1.0, 9.0))
    )
    for finding, loss in zip(
        [NAMED["dead_units"](few)[0], NAMED["dead_units"](many)[0]], (7.0, 9.0), strict=True
    ):
        explanation = Findings([finding], evidence=[few, many]).explain(1)
        assert explanation.panels[0].lines[0][2][0] == loss


def test_a_figure_that_is_none_or_no_number_decides_nothing():
    (finding,) = NAMED["learning_rate"](TOO_HIGH)
    for value in (None, "many", True, [1.0]):
        odd = replace(finding, evidence={"rate": value, "upper threshold": 1.0})
        assert not any("decided" in panel.title for panel in Explanation(odd, TOO_HIGH).panels)
    whole = replace(finding, evidence={"rate": np.float32(2.0), "upper threshold": 1})
    bars = [panel.bars for panel in Explanation(whole, TOO_HIGH).panels if panel.bars]
    assert bars == [[("this run", 2.0)]]


def test_a_figure_is_drawn_on_saving_if_matplotlib_came_later(monkeypatch, tmp_path):
    (finding,) = NAMED["learning_rate"](TOO_HIGH)
    with monkeypatch.context() as without:
        without.setitem(sys.modules, "matplotlib.figure", None)
        explanation = Explanation(finding, TOO_HIGH)
    assert explanation.figure is None
    path = tmp_path / "why.png"
    explanation.save(path)
    assert path.stat().st_size > 10_000


@pytest.mark.parametrize("n", [0, 2, -1, 1.0, True, "learning_rate_too_high", None])
def test_a_number_that_is_none_of_a_finding(n):
    (finding,) = NAMED["learning_rate"](TOO_HIGH)
    with pytest.raises(ValueError, match=r"from 1 to 1\. Received: n="):
        Findings([finding]).explain(n)
    with pytest.raises(ValueError, match="nothing was found"):
        Findings().explain(1)


def test_without_matplotlib_or_evidence_there_is_the_text(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    (finding,) = NAMED["learning_rate"](TOO_HIGH)
    explanation = Findings([finding], evidence=[TOO_HIGH]).explain(1)
    assert explanation.figure is None
    assert "Training loss: loss 0.69 at step 0" in str(explanation)
    assert explanation._repr_html_().startswith("<pre>")
    with pytest.raises(ImportError, match="pip install matplotlib"):
        explanation.save(tmp_path / "why.png")
    bare = Findings([finding]).explain(1)
    assert bare.figure is None
    with pytest.raises(ValueError, match="print the explanation"):
        bare.save(tmp_path / "why.png")


def test_numbers_that_are_not_finite_are_drawn_around():
    broken = evidence(losses=[0.7, np.nan, np.inf], loss_steps=[0, 1, 2], batch_skills=BATCHES)
    rules = [rule for rules in RULES.values() for rule in rules]
    for finding in (finding for rule in rules for finding in rule(broken)):
        Explanation(finding, broken).figure.canvas.draw()
