import copy
import math
import pickle
import sys

import pytest

import keras_dlnotes as kd
from keras_dlnotes.backend import active
from keras_dlnotes.summaries import MLflowWriter
from tests.callbacks.test_broken_files import During
from tests.summaries.training_run import Both, Raising, fit, monitor, network

# Of MLflow's own calls to SQLAlchemy.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def database(tmp_path_factory):
    """A database that is made once, which takes seconds."""
    mlflow = pytest.importorskip("mlflow")
    folder = tmp_path_factory.mktemp("mlflow")
    was = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    mlflow.create_experiment("tests", artifact_location=(folder / "artifacts").as_uri())
    yield mlflow
    mlflow.set_tracking_uri(was)


@pytest.fixture
def mlflow(database):
    database.set_experiment("tests")
    yield database
    while database.active_run():
        database.end_run()


def histories(mlflow, run):
    """Dict from a metric's name to list of `(step, number)`, as a `MemoryWriter` has it."""
    client, run_id = mlflow.MlflowClient(), run.info.run_id
    return {
        name: [(m.step, m.value) for m in client.get_metric_history(run_id, name)]
        for name in client.get_run(run_id).data.metrics
    }


def test_a_run_holds_what_a_memory_writer_holds(mlflow):
    writer = Both(MLflowWriter())
    with mlflow.start_run() as run:
        fit(writer)
    assert histories(mlflow, run) == writer.memory.scalars


def test_texts_are_artifacts(mlflow):
    writer = MLflowWriter()
    stopper = kd.callbacks.EarlyStopping("loss", patience=1, min_delta=9, writer=writer)
    with mlflow.start_run() as run:
        fit(writer, stopper, epochs=5)
        text = mlflow.artifacts.load_text(f"{run.info.artifact_uri}/early_stopping/reason.md")
    assert stopper.reason in text


def test_histograms_are_refused(mlflow):
    with pytest.raises(ValueError, match=r"place for histograms.*MLflowWriter"):
        kd.callbacks.TrainingMonitor(histograms_every=1, writer=MLflowWriter())


def test_an_earlier_step_is_kept(mlflow):
    writer = MLflowWriter()
    for time, step in enumerate((5, 3, 3, 9)):
        writer.add_scalars(step, ("a/b",), [step / 2], 1.7e9 + time)
    writer.close()
    steps = [step for step, _ in histories(mlflow, mlflow.active_run())["a/b"]]
    assert sorted(steps) == [3, 3, 5, 9]


def test_numbers_that_are_not_finite(mlflow):
    with mlflow.start_run() as run:
        writer = MLflowWriter()
        writer.add_scalars(0, ("nan", "inf", "minus_inf"), [math.nan, math.inf, -math.inf])
        writer.close()
    numbers = {tag: value for tag, [(_, value)] in histories(mlflow, run).items()}
    assert math.isnan(numbers.pop("nan"))
    largest = sys.float_info.max  # what MLflow's databases hold instead
    assert numbers == {"inf": largest, "minus_inf": -largest}


def test_names_that_mlflow_refuses(mlflow):
    with mlflow.start_run() as run:
        writer = MLflowWriter()
        writer.add_scalars(0, ("metrics/top@5", "a+b [c]/größe", "a.b-c_d e/f"), [1.0, 2.0, 3.0])
        writer.close()
    expected = {"metrics/top_5": 1.0, "a_b _c_/größe": 2.0, "a.b-c_d e/f": 3.0}
    assert {name: value for name, [(_, value)] in histories(mlflow, run).items()} == expected


def test_more_numbers_than_fit_into_one_request(mlflow):
    writer = MLflowWriter()
    with mlflow.start_run() as run:
        writer.add_scalars(0, ("first",), [0.0])
        sent = histories(mlflow, run)
        writer.add_scalars(1, ("second",), [0.0])
        assert histories(mlflow, run) == sent == {"first": [(0, 0.0)]}
        tags = tuple(f"tag_{number}" for number in range(2500))
        writer.add_scalars(2, tags, [0.0] * 2500)
        assert len(histories(mlflow, run)) == 2502


def test_later_fits_write_to_the_run_that_is_active_then(mlflow):
    writer = MLflowWriter()
    with mlflow.start_run() as first:
        model = fit(writer)
        fit(writer, model=model)
    with mlflow.start_run() as second:
        fit(writer, model=model)
    steps = [
        [step for step, _ in histories(mlflow, run)["metrics/batch_loss"]]
        for run in (first, second)
    ]
    assert steps == [list(range(16)), list(range(16, 24))]


def test_a_run_is_started_where_none_is_active(mlflow):
    fit(MLflowWriter())
    run = mlflow.active_run()
    assert len(histories(mlflow, run)["metrics/epoch_loss"]) == 2
    mlflow.end_run()
    fit(MLflowWriter(run.info.run_id))
    assert mlflow.active_run() is None
    assert len(histories(mlflow, run)["metrics/epoch_loss"]) == 4


def test_a_fit_that_raises_leaves_what_was_measured(mlflow):
    watch = monitor(MLflowWriter())
    with pytest.raises(RuntimeError, match="in mid epoch"):
        fit(watch, Raising())
    watch.on_train_begin()  # what the next `fit` begins with
    assert len(histories(mlflow, mlflow.active_run())["activations/hidden/mean"]) == 3


def test_a_run_that_is_not_there_is_told_before_training(mlflow):
    model = network()
    with pytest.raises(mlflow.exceptions.MlflowException, match="not found"):
        fit(MLflowWriter("0" * 32), model=model)
    assert int(model.optimizer.iterations) == 0


def test_what_mlflow_refuses_gives_one_warning(mlflow):
    writer = MLflowWriter()
    delete = During(1, lambda: mlflow.delete_run(mlflow.active_run().info.run_id))
    with pytest.warns(UserWarning, match="training monitor stopped writing to its writer"):
        model = fit(writer, delete)
    assert int(model.optimizer.iterations) == 8
    mlflow.MlflowClient().restore_run(mlflow.active_run().info.run_id)
    mlflow.end_run()
    fit(writer, model=model)
    steps = [step for step, _ in histories(mlflow, mlflow.active_run())["metrics/epoch_loss"]]
    assert steps == [11, 15]


def test_other_processes_than_the_first_start_no_run(mlflow, monkeypatch):
    monkeypatch.setattr(active.processes, "is_chief", lambda model: False)
    fit(MLflowWriter())
    assert mlflow.active_run() is None


@pytest.mark.parametrize("function", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_a_copy_holds_no_numbers(function, mlflow):
    writer = MLflowWriter()
    with mlflow.start_run() as run:
        for step in range(2):
            writer.add_scalars(step, ("a",), [1.5])
        monitor = function(kd.callbacks.TrainingMonitor(writer=writer))
        monitor.writer.add_scalars(2, ("a",), [1.5])
        monitor.writer.close()
        writer.close()
    assert sorted(histories(mlflow, run)["a"]) == [(0, 1.5), (1, 1.5), (2, 1.5)]


def test_without_mlflow_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(ImportError, match="pip install mlflow"):
        MLflowWriter()
