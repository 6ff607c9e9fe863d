"""A search on models whose training is a formula: sequence, failures, pruning, what is refused."""

import keras
import numpy as np
import pytest

from keras_dlnotes.tuning import BayesianSearch, GridSearch, RandomSearch
from tests.landscape_model import LandscapeModel, constant


def bowl(hp):
    return constant((hp.Float("x", -1, 1) - 0.3) ** 2 + (hp.Float("y", -1, 1) + 0.5) ** 2)


def values(search):
    return [row["hyperparameters"] for row in search.results()]


def states(search):
    return [row["state"] for row in search.results()]


def test_a_seed_is_a_sequence_and_another_seed_is_another(tmp_path):
    def sequence(name, seed, kind, **arguments):
        search = kind(bowl, "loss", 12, tmp_path, name, np.int64(seed), verbose=0, **arguments)
        search.run()
        return values(search)

    for kind, arguments in ((RandomSearch, {}), (BayesianSearch, {"sampler": "parzen"})):
        first = sequence(f"first_{kind.__name__}", 0, kind, **arguments)
        assert first == sequence(f"again_{kind.__name__}", 0, kind, **arguments)
        assert first != sequence(f"other_{kind.__name__}", 1, kind, **arguments)


def test_grid_search_tries_each_combination_once_and_conditions_only_where_they_hold(where):
    def build(hp):
        kind = hp.Choice("kind", ["sgd", "adam", "rmsprop"])
        if kind == "sgd":
            hp.Float("momentum", 0, 1, step=0.5)
        return constant(hp.Float("rate", 0.01, 1, step=10, log=True))

    search = GridSearch(build, "loss", **where)
    search.run()
    tried = {tuple(sorted(row.items())) for row in values(search)}
    assert len(tried) == len(values(search)) == 3 * 3 + 2 * 3
    search.run()  # nothing is left
    assert len(values(search)) == 15


def test_a_grid_is_random_in_order_and_can_be_cut_short(where):
    search = GridSearch(lambda hp: constant(hp.Int("x", 0, 99)), "loss", 20, **where)
    search.run()
    tried = [row["x"] for row in values(search)]
    assert len(set(tried)) == 20
    assert tried != sorted(tried)


def test_the_space_can_be_stated(where):
    search = GridSearch(
        lambda hp: constant(hp["a"] * hp["b"]), "loss", space={"a": [1, 2], "b": [3, 5]}, **where
    )
    search.run()
    assert sorted(row["objective"] for row in search.results()) == [3, 5, 6, 10]
    assert search.best_hyperparameters == {"a": 1, "b": 3}


def test_failed_trials_are_recorded_and_the_search_goes_on(where):
    def build(hp):
        number = hp.Choice("number", [0, 1, 2, 3, 4])
        if number == 0:
            raise MemoryError("out of memory")
        if number == 1:
            return constant(float("nan"))
        if number == 2:
            return constant(float("inf"))
        if number == 3:
            return LandscapeModel(lambda epoch: {"loss": 1.0 if epoch == 0 else float("nan")})
        return constant(0.5)

    search = GridSearch(build, "loss", **where)
    table = search.run(epochs=3)
    by_number = {row["hyperparameters"]["number"]: row for row in table}
    assert [by_number[k]["state"] for k in range(5)] == ["failed"] * 4 + ["finished"]
    assert by_number[0]["message"] == "MemoryError: out of memory"
    assert by_number[1]["message"] == "loss was nan after epoch 1"
    assert by_number[2]["message"] == "loss was inf after epoch 1"
    assert by_number[3]["message"] == "loss was nan after epoch 2"
    assert by_number[3]["objective"] is None
    assert search.best_hyperparameters == {"number": 4}


def test_a_search_without_a_finished_trial_says_why(where):
    def build(hp):
        raise RuntimeError(f"no GPU {hp.Boolean('x')}")

    search = RandomSearch(build, "loss", 2, **where)
    search.run()
    with pytest.raises(ValueError, match=r"2 of them failed.*RuntimeError: no GPU"):
        search.best_model()


def test_the_objective_is_the_best_epochs_and_the_mean_of_executions(where):
    built = []

    def build(hp):
        built.append(hp.Boolean("x"))
        offset = len(built)
        return LandscapeModel(lambda epoch: {"accuracy": [0.1, 0.5, 0.3][epoch] + offset})

    search = RandomSearch(build, "accuracy", 1, executions_per_trial=3, **where)
    (row,) = search.run(epochs=3)
    assert row["executions"] == [1.5, 2.5, 3.5]
    assert row["objective"] == 2.5
    assert row["epochs"] == 9
    assert search.best_model().epochs_trained == 2  # the weights of the best epoch
    assert len(set(built)) == 1  # all executions have the trial's values


class Ends(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.epochs = []

    def on_epoch_end(self, epoch, logs=None):
        self.last = epoch

    def on_train_end(self, logs=None):
        self.epochs.append(self.last + 1)


@pytest.mark.parametrize(("pruner", "full"), [("median", 5), ("successive_halving", 2)])
def test_hopeless_trials_end_early_and_every_callback_hears_of_it(where, pruner, full):
    ends = Ends()
    trial = iter(range(8))

    def build(hp):
        hp.Boolean("x")
        worse = next(trial)  # each trial is worse than all before it
        return LandscapeModel(lambda epoch: {"loss": worse + 1 / (epoch + 1)})

    search = RandomSearch(build, "loss", 8, pruner=pruner, **where)
    table = search.run(epochs=6, callbacks=ends)
    assert [row["state"] for row in table] == ["finished"] * full + ["pruned"] * (8 - full)
    assert ends.epochs == [row["epochs"] for row in table]
    assert ends.epochs[:full] == [6] * full
    assert max(ends.epochs[full:]) < 6
    assert search.best_hyperparameters == table[0]["hyperparameters"]


@pytest.mark.parametrize(
    ("mode", "sixth", "state", "epochs"),
    [
        ("min", [0.1, 1e6, 1e6, 1e6], "pruned", 2),
        ("min", [0.1, 0.1, 8.0, 0.05], "pruned", 3),
        ("min", [0.1, 2.0, 1.9, 1.9], "finished", 4),  # overfits, or has a bad epoch
        ("min", [0.1, float("nan"), 0.1, 0.1], "failed", 2),
        ("min", [0.1, float("inf"), 0.1, 0.1], "failed", 2),
        ("min", [float("nan"), 0.1, 0.1, 0.1], "failed", 1),
        ("min", [0.9, 0.9, 0.9, 0.9], "pruned", 2),  # worse than the median at its epoch
        ("max", [2.0, -1e6, 2.0, 2.0], "pruned", 2),
        ("max", [2.0, 0.5, 2.0, 2.0], "finished", 4),
    ],
)
def test_the_median_pruner_ends_diverged_trials(where, mode, sixth, state, epochs):
    numbers = iter(range(7))
    sound = {"min": [1.5, 0.5, 0.4, 0.3], "max": [0.5, 1.0, 1.1, 1.2]}[mode]

    def build(hp):
        hp.Boolean("x")
        number = next(numbers)
        # One of those that came before has diverged, too early to be seen.
        curve = {5: sixth, 2: [sound[0], 1e9, 1e9, 1e9]}.get(number, sound)
        return LandscapeModel(lambda epoch: {"score": curve[epoch]})

    search = RandomSearch(build, "score", 6, mode=mode, pruner="median", **where)
    row = search.run(epochs=4)[5]
    assert (row["state"], row["epochs"]) == (state, epochs)


@pytest.mark.parametrize("pruner", ["median", "successive_halving", None])
@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_trial_whose_loss_is_not_finite_ends_though_its_accuracy_is(where, pruner, loss):
    def build(hp):
        hp.Boolean("x")
        return LandscapeModel(lambda epoch: {"accuracy": 0.5, "loss": loss if epoch == 1 else 1.0})

    (row,) = RandomSearch(build, "accuracy", 1, pruner=pruner, **where).run(epochs=3)
    ended = ("finished", 3) if pruner is None else ("pruned", 2)
    assert (row["state"], row["epochs"]) == ended
    assert row["objective"] == 0.5


def test_arguments_of_fit_come_from_run_and_from_build(where):
    received = []

    class Listening(LandscapeModel):
        def fit(self, *args, **arguments):
            received.append(arguments)
            super().fit(*args, **arguments)

    def build(hp):
        model = Listening(lambda epoch: {"val_loss": 1.0})
        return model, {"batch_size": hp.Choice("batch_size", [7]), "callbacks": [Ends()]}

    ends = Ends()
    search = RandomSearch(build, max_trials=1, **where)
    search.run([1], [2], validation_split=0.5, epochs=2, batch_size=3, callbacks=[ends])
    (arguments,) = received
    assert arguments["batch_size"] == 7
    assert arguments["validation_split"] == 0.5
    assert [type(c).__name__ for c in arguments["callbacks"]] == ["Ends", "Ends", "TrialObserver"]
    assert arguments["callbacks"][0] is ends


@pytest.mark.parametrize(
    ("build", "objective", "message"),
    [
        (lambda hp: constant(1.0), "val_loss", "validation_data or validation_split"),
        (lambda hp: constant(1.0), "accuracy", r"\['loss', 'val_loss'\]"),
        (lambda hp: keras.Sequential(), "loss", "compiled model"),
        (lambda hp: None, "loss", "compiled keras.Model"),
        (lambda hp: (constant(1.0), {"batchsize": 3}), "loss", "batchsize"),
        (lambda hp: hp.Int("x", 2, 1), "loss", "min_value <= max_value"),
    ],
)
def test_what_cannot_work_is_refused_and_costs_no_trial(where, build, objective, message):
    search = RandomSearch(build, objective, 3, **where)
    with pytest.raises(ValueError, match=message):
        search.run()
    assert states(search) == ["running"]
    mended = RandomSearch(lambda hp: constant(hp.Float("x", 0, 1)), "loss", 3, **where)
    assert [row["state"] for row in mended.run()] == ["finished"] * 3


def test_arguments_are_checked_before_anything_is_made(tmp_path):
    for arguments, message in (
        ({"max_trials": 0}, "max_trials"),
        ({"seed": -1}, "seed"),
        ({"executions_per_trial": 1.5}, "executions_per_trial"),
        ({"mode": "up"}, "mode"),
        ({"objective": "val_f"}, "mode='min' or mode='max'"),
        ({"pruner": "hyperband"}, "median"),
        ({"storage": "mysql://host/db"}, "postgresql"),
        ({"storage": 5}, "int 5"),
        ({"storage": "study.db"}, "no URL and begins with 'study.db'"),
        ({"storage": "postgresql+unknown://host/db"}, "SQLAlchemy does not know"),
        ({"storage": "postgresql+asyncpg://host/db"}, "asynchronous"),
        ({"space": {"x": "abc"}}, "list of values"),
    ):
        with pytest.raises(ValueError, match=message):
            RandomSearch(bowl, directory=tmp_path, **arguments)
    with pytest.raises(TypeError, match="build"):
        RandomSearch("build", directory=tmp_path)
    with pytest.raises(ValueError, match="gaussian_process"):
        BayesianSearch(bowl, directory=tmp_path, sampler="tpe")
    with pytest.raises(TypeError, match="batchsize"):
        RandomSearch(bowl, "loss", directory=tmp_path).run(batchsize=3)
    with pytest.raises(ValueError, match=r"(?s)generator.*let build make it"):
        RandomSearch(bowl, "loss", directory=tmp_path).run(batch for batch in [([1], [1])])
    with pytest.raises(FileNotFoundError, match="Run the search first"):
        RandomSearch(bowl, directory=tmp_path).results()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", [RandomSearch, GridSearch, BayesianSearch])
def test_a_name_is_that_of_one_folder_inside_the_directory(tmp_path, kind):
    directory = tmp_path / "studies"
    for name in (
        *("", " ", ".", "..", "../up", "a/b", "/a", "a/", "./a", "a\\b", "..\\a", "C:\\a", "C:a"),
        *("a\0b", "a\nb", "a" * 256, "é" * 128, "\ud800", None, 5, b"a", tmp_path),
        *("con", "NUL", "aux.txt", "COM1", "lpt9 .log", "com¹", "a:b", "a*", "a?", "a|b", '"a"'),
        *("a.", "a ", " a", "...", "<a>"),
    ):
        with pytest.raises(ValueError, match=r"name of one folder.*Received"):
            kind(bowl, directory=directory, name=name)
    for name in ("a", "a.b", ".a", "a b", "é" * 127, "-a", "~", "$HOME", "console", "com10", "试"):
        assert kind(bowl, directory=directory, name=name).directory == directory / name
    assert list(tmp_path.iterdir()) == []
    kind(lambda hp: constant(hp.Choice("x", [1])), "loss", 1, directory, "é" * 127, verbose=0).run()
    assert [path.name for path in tmp_path.iterdir()] == ["studies"]


def test_a_study_whose_name_windows_has_not_can_be_gone_on_with(tmp_path):
    (tmp_path / "10:30").mkdir()
    assert len(RandomSearch(bowl, "loss", 1, tmp_path, "10:30", verbose=0).run()) == 1


def test_nothing_outside_of_the_directory_is_removed(tmp_path):
    kept = tmp_path / "elsewhere"
    kept.mkdir()
    (kept / "best.weights.h5").write_text("precious")
    search = RandomSearch(bowl, "loss", 2, tmp_path / "studies", verbose=0)
    for number in range(2):
        search.directory.mkdir(parents=True, exist_ok=True)
        search.trial_directory(number).symlink_to(kept)
    with pytest.raises(ValueError, match="whose weights are in"):
        search.run()
    search.trial_directory(1).unlink()
    (kept / "best.weights.h5").rename(kept / "model.keras")
    search.run()
    assert (kept / "model.keras").read_text() == "precious"
    assert len(list(kept.iterdir())) == 1
    assert not search.trial_directory(0).is_symlink()


def test_modes_are_read_off_the_names(tmp_path):
    for name, mode in (
        ("val_loss", "min"),
        ("val_accuracy", "max"),
        ("auc_1", "max"),
        ("val_mean_absolute_error", "min"),
        ("f1_score", "max"),
        ("output_loss", "min"),
    ):
        assert RandomSearch(bowl, name, directory=tmp_path).objective.mode == mode
    assert RandomSearch(bowl, "reward", directory=tmp_path, mode="max").objective.mode == "max"
