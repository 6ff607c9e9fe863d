"""The example runs from end to end, and its verdicts follow the measurements."""

import math

import numpy as np
import pytest

from examples import vanishing_gradients as example


def make_run(activation, initializer, forward=1.0, backward=1.0, accuracies=(0.95,)):
    """A run whose signals are multiplied by `forward` and `backward` in each hidden layer."""
    layers = np.arange(example.HIDDEN_LAYERS + 1)
    return example.Run(
        activation,
        initializer,
        activations=forward ** layers[:-1].astype(float),
        bias_gradients=backward ** layers[::-1].astype(float),
        kernel_gradients=np.ones(len(layers)),
        accuracies=list(accuracies),
        test_size=450,
    )


def test_reduced_run(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(example, "HIDDEN_LAYERS", 4)  # compiling takes most of the time
    stale = tmp_path / "tanh_Xavier" / "events.out.tfevents.0.of_an_older_run"
    stale.parent.mkdir()
    stale.touch()

    runs = example.main(
        tmp_path, epochs=1, activations=("tanh",), initializers=("SmallRandom", "Xavier")
    )

    assert [run.title for run in runs] == ["tanh, SmallRandom", "tanh, Xavier"]
    for run in runs:
        assert len(list((tmp_path / f"tanh_{run.initializer}").glob("*tfevents*"))) == 1
        assert len(run.activations) == example.HIDDEN_LAYERS
        assert len(run.kernel_gradients) == len(run.bias_gradients) == example.HIDDEN_LAYERS + 1
    assert not stale.exists()
    assert (tmp_path / "scale_by_layer.png").stat().st_size > 10_000
    # tanh is linear for small numbers, so a layer multiplies its input by 0.01 √128 = 0.11.
    assert runs[0].forward_factor == pytest.approx(0.113, rel=0.1)
    assert runs[1].forward_factor > 0.7
    printed = capsys.readouterr().out
    assert "tanh       SmallRandom" in printed
    assert printed.rstrip().endswith(f"tensorboard --logdir {tmp_path}")


def test_table_is_aligned():
    runs = [make_run(a, i) for a in example.ACTIVATIONS for i in example.INITIALIZERS]
    assert len({len(line) for line in example.table(runs).splitlines()}) == 1


@pytest.mark.parametrize(
    ("forward", "backward", "outcome"),
    [
        (0.1, 0.1, "held:"),
        (3.0, 3.0, "held:"),
        (0.1, 1.0, "held in part:"),
        (1, 1, "did not hold:"),
    ],
)
def test_small_random_is_judged_by_its_factors(forward, backward, outcome):
    run = make_run("tanh", "SmallRandom", forward, backward)
    assert f"exponentially {outcome}" in example.verdict(run, [run])


@pytest.mark.parametrize(
    ("best", "rival", "outcome"),
    [
        ([0.5, 0.97], [0.5, 0.90], "best for ReLU held:"),
        ([0.5, 0.97], [0.5, 0.97], "held in part (that it is better than Xavier is not shown):"),
        ([0.5, 0.90], [0.5, 0.97], "best for ReLU did not hold:"),
        # As accurate in the end, but within the target after 2 epochs instead of 3.
        ([0.5, 0.95, 0.97], [0.5, 0.5, 0.97], "best for ReLU held:"),
    ],
)
def test_best_is_judged_by_accuracy_and_speed(best, rival, outcome):
    he = make_run("relu", "He", accuracies=best)
    xavier = make_run("relu", "Xavier", accuracies=rival)
    assert outcome in example.verdict(he, [xavier, he])


def test_best_must_keep_the_signal():
    he = make_run("relu", "He", forward=0.6, accuracies=[0.97])
    xavier = make_run("relu", "Xavier", accuracies=[0.5])
    assert "did not hold" in example.verdict(he, [xavier, he])


@pytest.mark.parametrize(
    ("forward", "he_accuracy", "outcome"),
    [(0.7, 0.97, "held:"), (1.0, 0.97, "held in part:"), (1.0, 0.8, "did not hold:")],
)
def test_inefficiency_is_judged_against_he(forward, he_accuracy, outcome):
    xavier = make_run("relu", "Xavier", forward, accuracies=[0.85])
    he = make_run("relu", "He", accuracies=[he_accuracy])
    assert f"for ReLU {outcome}" in example.verdict(xavier, [xavier, he])


@pytest.mark.parametrize(
    ("accuracy", "outcome"), [(0.8, "held:"), (0.95, "is not shown:"), (0.99, "did not hold:")]
)
def test_second_best_is_judged_against_xavier(accuracy, outcome):
    he = make_run("tanh", "He", accuracies=[accuracy])
    xavier = make_run("tanh", "Xavier", accuracies=[0.95])
    assert outcome in example.verdict(he, [xavier, he])


def test_signal_below_the_smallest_float():
    run = make_run("relu", "SmallRandom", forward=0.0)
    assert run.forward_factor == 0.0
    assert math.isnan(example._factor(0.0, 0.0, 8))
