import numpy as np
import pytest

from keras_dlnotes.diagnosis import RunRecord
from keras_dlnotes.instrumentation import StepRecord
from keras_dlnotes.instrumentation.step_tape import Column

COLUMNS = (Column("activations", "hidden", "mean"), Column("updates", "hidden/kernel", "ratio"))


def record(step, loss=1.0, x=None, y=None):
    examples = None
    if x is not None:
        x = np.asarray(x, "float32")
        examples = {"inputs_000": x, "targets_000": np.asarray(y), "predictions_000": x[:, :1]}
    return StepRecord(step, COLUMNS, np.array([step, 0.5]), {"loss": loss}, 0.0, examples)


def test_losses_between_steps_come_from_running_means():
    # Batch losses 4, 2, 3, 1 | 8, 6: Keras reports their running means of the epoch.
    run = RunRecord(steps_per_epoch=4)
    for step, mean in [(0, 4.0), (1, 3.0), (3, 2.5)]:
        run.add(record(step, mean))
    run.add_epoch({"loss": 2.5, "val_loss": 3.0}, 0.1)
    run.add(record(5, 7.0))
    assert run.losses == pytest.approx([4.0, 2.0, 2.0, 7.0])
    assert run.statistics["activations/hidden/mean"] == [0.0, 1.0, 3.0, 5.0]
    assert run.epoch_logs == {"loss": [2.5], "val_loss": [3.0]}
    assert run.learning_rates == [0.1]


def test_sample_holds_each_example_once():
    run = RunRecord(2)
    for step in range(6):
        run.add(record(step, x=np.arange(4.0)[:, None], y=np.arange(4)))
    (x,), (y,) = run.sample()
    assert sorted(y.tolist()) == [0, 1, 2, 3]
    assert np.all(x[:, 0] == y)


def test_a_long_run_is_sampled_over_its_whole_length():
    run = RunRecord()
    for step in range(300):
        x = 1000.0 * step + np.arange(16)[:, None]
        run.add(record(step, x=x, y=np.full(16, step)))
    (x,), (y,) = run.sample()
    assert len(x) <= 512
    assert y.min() < 30
    assert y.max() > 270


def test_no_batch_of_an_epoch_is_left_out_for_ever():
    run = RunRecord(8)
    for step in range(400):
        x = 1000.0 * step + np.arange(16)[:, None]
        run.add(record(step, x=x, y=np.full(16, step % 8)))
    _, (y,) = run.sample()
    assert set(y.tolist()) == set(range(8))


def test_sequences_of_several_lengths_and_texts_give_no_sample():
    run = RunRecord()
    run.add(record(0, x=np.zeros((4, 3)), y=np.zeros(4)))
    run.add(record(1, x=np.zeros((4, 5)), y=np.zeros(4)))
    assert run.sample() is None
    assert RunRecord().sample() is None


def test_numbers_that_are_not_finite_are_counted():
    run = RunRecord()
    run.add(record(0, x=[[np.nan], [1.0]], y=[np.inf, 0.0]))
    assert (run.non_finite_inputs, run.outputs[0].non_finite) == (1, 1)


def test_steps_beside_the_series_are_looked_through_for_what_is_not_finite():
    run = RunRecord(8, every=2)
    bad = np.array([[np.nan], [1.0]])
    for step, x in enumerate([np.ones((2, 1)), bad, np.ones((2, 1))]):
        run.add(record(step, x=x, y=[0.0, 1.0]))
    assert run.statistic_steps == run.loss_steps == [0, 2]
    assert (run.non_finite_inputs, run.outputs[0].non_finite) == (1, 0)
    run.add(record(3, loss=np.nan))
    assert (run.trace.origin().kind, run.trace.origin().step) == ("loss", 3)


@pytest.mark.parametrize(("weights", "weighted"), [([1.0, 15.0], True), ([1.0, 1.0], False)])
def test_examples_that_count_differently_are_noticed(weights, weighted):
    run = RunRecord(2)
    step = record(0, x=[[1.0], [2.0]], y=[0, 1])
    step.examples["weights_000"] = np.array(weights)
    run.add(step)
    assert run.weighted == weighted
