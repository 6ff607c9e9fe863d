"""The notes on hyperparameter tuning, each claim as a sentence with its figure.

KERAS_BACKEND=tensorflow python examples/tuning.py     (or jax, or torch)
python examples/tuning.py --storage postgresql://user@host/database

One objective: the validation loss of a small network on scikit-learn's digits, over a learning rate
that decides everything and a weight decay so small that it does not matter, which one rarely knows
beforehand. A grid search trains the network for real at 39 points. Between them the loss is
interpolated, so that the three searches can be repeated with many seeds and judged by their means:
one run of each says next to nothing. What differs by no more than two standard errors, seed by
seed, is called "not shown". Run again, the example reads the trainings from `logs/tuning`;
look at them with: tensorboard --logdir logs/tuning

With `--storage` the trainings are in a PostgreSQL database (`pip install
"keras_dlnotes[examples,postgresql]"`). Started on several machines, or several times on one, the
processes share them; what one was running when it was killed, another runs again. The example then
ends with their table, without the comparison of the searches.
"""

import argparse
import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # two thread pools would fight over two cores

import tempfile
import time

import keras
import numpy as np
from _spread import show_progress, standard_error, verdict
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import keras_dlnotes as kd

SEEDS, TRIALS = 10, 25
RATES, DECAYS = np.logspace(-3, 1, 13), np.logspace(-8, -5, 3)
WIDTH = 3.0  # decades of the learning rate that a search is given; where they lie differs by seed
PICTURE = "logs/tuning/three_searches.png"
KINDS = {
    "grid": kd.tuning.GridSearch,
    "random": kd.tuning.RandomSearch,
    "Bayesian": kd.tuning.BayesianSearch,
}


def network(hp, rates):
    """64 pixels, 16 hidden units, 10 digits."""
    penalty = keras.regularizers.L2(hp.Choice("decay", DECAYS))
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(16, "tanh", kernel_regularizer=penalty),
            keras.layers.Dense(10, kernel_regularizer=penalty),
        ]
    )
    optimizer = keras.optimizers.SGD(hp.Choice("learning_rate", rates))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    at_once = 1 if keras.backend.backend() == "torch" else 10  # Keras cannot do it on torch
    model.compile(optimizer, loss, steps_per_execution=at_once)
    return model


def trained(rates=RATES, directory="logs/tuning", storage=None):
    """The grid search of trainings, finished, and how many of them this process ran."""
    x, y = load_digits(return_X_y=True)
    x_train, x_val, y_train, y_val = train_test_split(
        (x / 16).astype("float32"), y, train_size=640, random_state=0
    )
    search = kd.tuning.GridSearch(
        lambda hp: network(hp, rates), directory=directory, name="digits", storage=storage
    )
    begun = []
    count = keras.callbacks.LambdaCallback(on_train_begin=begun.append)
    search.run(x_train, y_train, validation_data=(x_val, y_val), epochs=3, callbacks=[count])
    return search, len(begun)


def tabulated():
    """Validation losses of 39 trainings, an array of learning rate and decay."""
    search, _ = trained()
    search.plot("logs/tuning/digits.png")
    losses = {
        (row["hyperparameters"]["learning_rate"], row["hyperparameters"]["decay"]): row["objective"]
        for row in search.results()
    }
    # A training that diverged has none: NaN, also in between.
    return np.array([[losses[rate, decay] for decay in DECAYS] for rate in RATES], float)


class Tabulated(keras.Model):
    """Looks its loss up instead of training."""

    def __init__(self, loss):
        super().__init__()
        self._loss = loss
        self.built = self.compiled = True

    def fit(self, *args, callbacks=None, **arguments):
        """Reports it as that of one epoch."""
        callbacks = keras.callbacks.CallbackList(callbacks, model=self)
        callbacks.on_epoch_end(0, {"loss": self._loss})


def searched(kind, table, seed):
    """The table of one search's trials."""
    start = np.random.default_rng(seed).uniform(-3, 1 - WIDTH)
    ends = {"rate": (10**start, 10 ** (start + WIDTH)), "decay": (DECAYS[0], DECAYS[-1])}
    across = round(TRIALS**0.5)

    def build(hp):
        if kind == "grid":
            rate, decay = (hp.Choice(key, np.geomspace(*ends[key], across)) for key in ends)
        else:
            rate, decay = (hp.Float(key, *ends[key], log=True) for key in ends)
        at_decays = [np.interp(np.log(rate), np.log(RATES), column) for column in table.T]
        return Tabulated(float(np.interp(np.log(decay), np.log(DECAYS), at_decays)))

    with tempfile.TemporaryDirectory() as folder:
        return KINDS[kind](build, "loss", TRIALS, folder, seed=seed, verbose=0).run()


def best_so_far(trials):
    """The best loss after each trial; failed ones do not count."""
    return np.fmin.accumulate(
        [np.nan if r["objective"] is None else r["objective"] for r in trials]
    )


def within(values):
    """Mean and standard error, as text."""
    return f"{np.mean(values):.3g} ± {standard_error(values):.1g}"


def fewer(smaller, larger):
    """The verdict on one being smaller than the other, seed by seed."""
    return verdict(np.subtract(larger, smaller))


def picture(table, runs, curves):
    """Where each search tried, once, and its best loss so far, on average."""
    figure = Figure(figsize=(13, 3.6), layout="constrained")
    *panels, last = figure.subplots(1, 4)
    for panel, (kind, trials) in zip(panels, runs.items(), strict=True):
        shade = panel.contourf(RATES, DECAYS, np.log10(table.T), 20, cmap="viridis_r")
        rates, decays = (
            [row["hyperparameters"][key] for row in trials] for key in ("rate", "decay")
        )
        panel.scatter(rates, decays, s=18, color="w", edgecolor="k", clip_on=False)
        panel.set(xscale="log", yscale="log", xlabel="learning rate", title=f"{kind} search")
    panels[0].set_ylabel("weight decay")
    figure.colorbar(shade, ax=panels, label="log10 of the loss", pad=0.01)
    for kind, curve in curves.items():
        last.plot(range(1, TRIALS + 1), np.nanmean(curve, axis=0), label=kind)
    last.set(
        xlabel="trial", ylabel="best loss so far", title=f"mean of {SEEDS} seeds", yscale="log"
    )
    last.legend()
    figure.savefig(PICTURE)


def main():
    """Print the sentences, or the table of the trainings in a database."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--storage", help="URL of a database that holds the trainings")
    parser.add_argument("--directory", default="logs/tuning", help="with --storage: of the weights")
    parser.add_argument("--rates", type=int, default=len(RATES), help="with --storage: how many")
    options = parser.parse_args()
    if options.storage is None:
        compare_searches()
        return
    rates = np.logspace(-3, 1, options.rates)
    search, ran = trained(rates, options.directory, options.storage)
    print(search.results())
    print(f"This process ran {ran} of the trainings.")


def compare_searches():
    """Print the sentences."""
    table = tabulated()
    runs, start = {kind: [] for kind in KINDS}, time.perf_counter()
    for seed in range(SEEDS):
        for kind, of_seeds in runs.items():
            of_seeds.append(searched(kind, table, seed))
        show_progress(seed + 1, SEEDS, start, "seeds searched")
    curves = {kind: [best_so_far(trials) for trials in of_seeds] for kind, of_seeds in runs.items()}
    best = {kind: [curve[-1] for curve in of_seeds] for kind, of_seeds in curves.items()}
    rates = {
        kind: [np.unique([row["hyperparameters"]["rate"] for row in trials]) for trials in of_seeds]
        for kind, of_seeds in runs.items()
    }
    gap = {
        kind: [np.diff(np.log10(tried)).max() for tried in of_seeds]
        for kind, of_seeds in rates.items()
    }
    needed = {
        kind: [
            np.argmax(curve <= 1.1 * least) + 1 if curve[-1] <= 1.1 * least else TRIALS + 1
            for curve, least in zip(of_seeds, np.min(list(best.values()), axis=0), strict=True)
        ]
        for kind, of_seeds in curves.items()
    }
    by_decay, by_rate = np.ptp(table, axis=1), np.ptp(table, axis=0)
    print(
        f"\nEach search ran {TRIALS} trials with each of {SEEDS} seeds; means, with their standard "
        "errors.\n"
        f"Grid search is computationally expensive: it tried {len(rates['grid'][0])} learning "
        f"rates, each {TRIALS // len(rates['grid'][0])} times with another weight decay, which "
        f"changes the loss by {np.nanmedian(by_decay):.2g} where the learning rate changes it by "
        f"{np.nanmedian(by_rate):.2g}. Its best loss is {within(best['grid'])}. That random search "
        f"finds a lower one: {fewer(best['random'], best['grid'])}, {within(best['random'])}."
    )
    print(
        f"Random search covers each range: {fewer(gap['random'], gap['grid'])}. It tried "
        f"{len(rates['random'][0])} learning rates, at most {within(gap['random'])} decades apart, "
        f"grid search {within(gap['grid'])}."
    )
    print(
        f"Bayesian optimization needed {within(needed['Bayesian'])} trials to come within 10 % of "
        f"the best loss that any of the three found, random search {within(needed['random'])}, "
        f"grid search {within(needed['grid'])} (one that never did counts as {TRIALS + 1}). That "
        f"it needs fewer than random search: {fewer(needed['Bayesian'], needed['random'])}; than "
        f"grid search: {fewer(needed['Bayesian'], needed['grid'])}. Its best loss is "
        f"{within(best['Bayesian'])}."
    )
    picture(table, {kind: of_seeds[0] for kind, of_seeds in runs.items()}, curves)
    print(f"The picture is in {PICTURE}.")


if __name__ == "__main__":
    main()
