"""Our three searches against KerasTuner's three and plain Optuna: regret, and overhead per trial.

    OMP_NUM_THREADS=1 KERAS_BACKEND=jax python benchmarks/tuning.py --seeds 20
    OMP_NUM_THREADS=1 KERAS_BACKEND=jax python benchmarks/tuning.py --overhead

The landscapes: the validation loss of a small network on three data sets that scikit-learn bundles,
trained for real on a grid over learning rate, weight decay and number of units and interpolated in
between, so that a trial costs nothing and the optimum is known; and the Branin function. Regret is
the best objective so far above the optimum, as a share of the landscape's median above it. Printed
is the mean over the seeds, with its standard error.

A trial's training is nothing here, so the time of a whole search over its trials is overhead alone:
building a Keras model object, choosing values, journal, curves, weights. Each seed's results are
kept in `logs/tuning_benchmark.jsonl`; a run that is stopped goes on there.
"""

import argparse
import itertools
import json
import os
import tempfile
import time
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import keras_tuner
import numpy as np
import optuna
from scipy.interpolate import RegularGridInterpolator
from sklearn import datasets, neural_network
from sklearn.metrics import log_loss, mean_squared_error
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import scale

import keras_dlnotes as kd

TRIALS = 50
KEPT = Path("logs/tuning_benchmark.jsonl")
TABLES = Path("logs/tuning_benchmark_tables.npz")
RATES, DECAYS, UNITS = np.logspace(-4, 0, 13), np.logspace(-5, 1, 7), 2 ** np.arange(1, 7)
# name: (low, high, logarithmic, whole)
NETWORK = {
    "learning_rate": (1e-4, 1.0, True, False),
    "decay": (1e-5, 10.0, True, False),
    "units": (2, 64, True, True),
}
BRANIN = {"x": (-5.0, 10.0, False, False), "y": (0.0, 15.0, False, False)}


def tabulate(name):
    """Validation losses on the grid; a training that diverges counts as ten times the median."""
    data = getattr(datasets, f"load_{name}")()
    regression = name == "diabetes"
    x, y = scale(data.data), (scale(data.target) if regression else data.target)
    split = train_test_split(x, y, train_size=300, random_state=0)
    x_train, x_val, y_train, y_val = split
    losses = []
    for rate, decay, units in itertools.product(RATES, DECAYS, UNITS):
        maker = neural_network.MLPRegressor if regression else neural_network.MLPClassifier
        network = maker(
            hidden_layer_sizes=[int(units)],
            alpha=decay,
            learning_rate_init=rate,
            max_iter=15,
            random_state=0,
        )
        try:
            network.fit(x_train, y_train)
            if regression:
                losses.append(mean_squared_error(y_val, network.predict(x_val)))
            else:
                losses.append(log_loss(y_val, network.predict_proba(x_val)))
        except ValueError as error:
            if "non-finite" not in str(error):
                raise
            losses.append(np.inf)
    losses = np.array(losses)
    ceiling = 10 * np.median(losses)
    return np.minimum(losses, ceiling).reshape(len(RATES), len(DECAYS), len(UNITS))


def network_landscape(table):
    """The interpolated table as a function of a trial's values; optimum and median."""
    axes = [np.log(RATES), np.log(DECAYS), np.log(UNITS)]
    interpolate = RegularGridInterpolator(axes, table)

    def loss(values):
        point = np.log([values["learning_rate"], values["decay"], values["units"]])
        low, high = [axis[0] for axis in axes], [axis[-1] for axis in axes]
        return float(interpolate(np.clip(point, low, high))[0])

    return loss, table.min(), np.median(table)


def branin(values):
    """Three equal minima."""
    x, y = values["x"], values["y"]
    bowl = (y - 5.1 / (4 * np.pi**2) * x**2 + 5 / np.pi * x - 6) ** 2
    return float(bowl + 10 * (1 - 1 / (8 * np.pi)) * np.cos(x) + 10)


def landscapes():
    """Dict from name to loss, optimum, median and space."""
    names = ("digits", "breast_cancer", "diabetes")
    if not TABLES.exists():
        TABLES.parent.mkdir(exist_ok=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            np.savez(TABLES, **{name: tabulate(name) for name in names})
    tables = np.load(TABLES)
    found = {name: (*network_landscape(tables[name]), NETWORK) for name in names}
    found["branin"] = (branin, 0.397887, 26.4, BRANIN)
    return found


def grid_of(space):
    """Values for grid search: 50 trials or a few more over all parameters."""
    count = int(np.ceil(TRIALS ** (1 / len(space))))
    values = {}
    for name, (low, high, logarithmic, whole) in space.items():
        spread = np.geomspace if logarithmic else np.linspace
        values[name] = [round(v) if whole else float(v) for v in spread(low, high, count)]
    return values


class Constant(keras.Model):
    """Reports a number as its loss after one epoch."""

    def __init__(self, value):
        super().__init__()
        self._value = value
        self.built = self.compiled = True

    def fit(self, *args, callbacks=None, **arguments):
        """Calls the callbacks."""
        callbacks = keras.callbacks.CallbackList(callbacks, model=self)
        callbacks.on_epoch_end(0, {"loss": self._value})


def ours(kind, loss, space, seed, **arguments):
    """Objectives of our search, trial by trial."""

    def build(hp):
        if kind is kd.tuning.GridSearch:
            values = {name: hp.Choice(name, choices) for name, choices in grid_of(space).items()}
        else:
            values = {
                name: (hp.Int if whole else hp.Float)(name, low, high, log=logarithmic)
                for name, (low, high, logarithmic, whole) in space.items()
            }
        return Constant(loss(values))

    with tempfile.TemporaryDirectory() as folder:
        search = kind(build, "loss", TRIALS, folder, seed=seed, verbose=0, **arguments)
        return [row["objective"] for row in search.run()]


def keras_tuners(kind, loss, space, seed):
    """Objectives of KerasTuner's search, trial by trial."""
    found = []

    class Tuner(kind):
        def run_trial(self, trial, *args, **kwargs):
            hp = trial.hyperparameters
            if kind is keras_tuner.GridSearch:
                values = {
                    name: hp.Choice(name, choices) for name, choices in grid_of(space).items()
                }
            else:
                values = {
                    name: (hp.Int if whole else hp.Float)(
                        name, low, high, sampling="log" if logarithmic else "linear"
                    )
                    for name, (low, high, logarithmic, whole) in space.items()
                }
            Constant(0.0).fit()
            found.append(loss(values))
            return found[-1]

    with tempfile.TemporaryDirectory() as folder:
        Tuner(
            max_trials=TRIALS,
            directory=folder,
            seed=seed,
            objective=keras_tuner.Objective("default_objective", "min"),
        ).search(verbose=0)
    return found


def plain_optuna(sampler, loss, space, seed):
    """Objectives of a study in memory, with one of Optuna's samplers as it comes."""

    def objective(trial):
        if sampler is optuna.samplers.GridSampler:
            grid = grid_of(space)
            return loss({name: trial.suggest_categorical(name, grid[name]) for name in grid})
        return loss(
            {
                name: (trial.suggest_int if whole else trial.suggest_float)(
                    name, low, high, log=logarithmic
                )
                for name, (low, high, logarithmic, whole) in space.items()
            }
        )

    arguments = (grid_of(space),) if sampler is optuna.samplers.GridSampler else ()
    study = optuna.create_study(sampler=sampler(*arguments, seed=seed))
    study.optimize(objective, n_trials=TRIALS)
    return [trial.value for trial in study.trials]


METHODS = {
    "ours, grid": (ours, kd.tuning.GridSearch, {}),
    "ours, random": (ours, kd.tuning.RandomSearch, {}),
    "ours, Bayesian (Gaussian process)": (ours, kd.tuning.BayesianSearch, {}),
    "ours, Bayesian (Parzen)": (ours, kd.tuning.BayesianSearch, {"sampler": "parzen"}),
    "KerasTuner, grid": (keras_tuners, keras_tuner.GridSearch, {}),
    "KerasTuner, random": (keras_tuners, keras_tuner.RandomSearch, {}),
    "KerasTuner, Bayesian": (keras_tuners, keras_tuner.BayesianOptimization, {}),
    "Optuna, grid": (plain_optuna, optuna.samplers.GridSampler, {}),
    "Optuna, random": (plain_optuna, optuna.samplers.RandomSampler, {}),
    "Optuna, default (Parzen)": (plain_optuna, optuna.samplers.TPESampler, {}),
    "Optuna, Gaussian process": (plain_optuna, optuna.samplers.GPSampler, {}),
}


def regrets(seeds):
    """Runs what is not kept yet, seed by seed, and prints a table of what is."""
    found = landscapes()
    kept = {}
    if KEPT.exists():
        for line in KEPT.read_text().splitlines():
            *key, values = json.loads(line)
            kept[tuple(key)] = values
    for seed, name, method in itertools.product(range(seeds), found, METHODS):
        if (seed, name, method) in kept:
            continue
        loss, optimum, median, space = found[name]
        run, kind, arguments = METHODS[method]
        best = np.minimum.accumulate(run(kind, loss, space, seed, **arguments))
        # A grid may have fewer combinations than trials, or Optuna stop it before.
        regret = [(best[min(n, len(best)) - 1] - optimum) / (median - optimum) for n in (25, 50)]
        kept[seed, name, method] = regret
        with open(KEPT, "a") as file:
            file.write(json.dumps([seed, name, method, regret]) + "\n")
    print(f"\nregret after 25 and 50 trials, per mille of the median's; {seeds} seeds")
    print(f"{'':34s}" + "".join(f"{name:>24s}" for name in found))
    for method in METHODS:
        cells = []
        for name in found:
            values = 1000 * np.array([kept[seed, name, method] for seed in range(seeds)])
            error = values.std(axis=0, ddof=1) / np.sqrt(seeds) if seeds > 1 else (0, 0)
            mean = values.mean(axis=0)
            cells.append(f"{mean[0]:.3g}±{error[0]:.1g} {mean[1]:.3g}±{error[1]:.1g}")
        print(f"{method:34s}" + "".join(f"{cell:>24s}" for cell in cells))


def overheads():
    """Times whole searches on one landscape, one after the other in each of two rounds."""
    loss, _, _, space = landscapes()["digits"]
    seconds: dict[str, list[float]] = {}
    for seed, method in itertools.product(range(2), METHODS):
        run, kind, arguments = METHODS[method]
        start = time.perf_counter()
        trials = len(run(kind, loss, space, seed, **arguments))
        seconds.setdefault(method, []).append((time.perf_counter() - start) / trials)
    reference = min(seconds["ours, random"])
    print(f"\nmilliseconds a trial over {TRIALS} trials, and as a multiple of our random search")
    for method, values in seconds.items():
        print(f"{method:34s}{1000 * min(values):10.1f}{min(values) / reference:10.1f}")


def main():
    """Prints regrets, or overheads."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--overhead", action="store_true")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore")
    if options.overhead:
        overheads()
    else:
        regrets(options.seeds)


if __name__ == "__main__":
    main()
