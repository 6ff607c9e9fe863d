"""The notes on hyperparameter tuning, each claim as a sentence with its figure.

KERAS_BACKEND=tensorflow python examples/tuning.py     (or jax, or torch)

One objective, three searches of the same number of trials: the validation loss of a small network
on scikit-learn's digits, over a learning rate that decides everything and a weight decay so small
that it does not matter, which one rarely knows beforehand. Run again, it reads the trials from
`logs/tuning`; look at them with: tensorboard --logdir logs/tuning
"""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("OMP_NUM_THREADS", "1")  # two thread pools would fight over two cores

import keras
import numpy as np
from matplotlib.figure import Figure
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import keras_dlnotes as kd

TRIALS = 16
RATES, DECAYS = (1e-3, 10.0), (1e-8, 1e-5)
PICTURE = "logs/tuning/three_searches.png"


def network(learning_rate, decay):
    """64 pixels, 16 hidden units, 10 digits."""
    penalty = keras.regularizers.L2(decay)
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(16, "tanh", kernel_regularizer=penalty),
            keras.layers.Dense(10, kernel_regularizer=penalty),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(learning_rate), loss, steps_per_execution=10)
    return model


def on_a_grid(hp):
    """Four values of each; the first and the last are the ends of the ranges."""
    rates, decays = (np.geomspace(*ends, 4) for ends in (RATES, DECAYS))
    return network(hp.Choice("learning_rate", rates), hp.Choice("decay", decays))


def in_ranges(hp):
    """Any value."""
    return network(
        hp.Float("learning_rate", *RATES, log=True), hp.Float("decay", *DECAYS, log=True)
    )


def searched():
    """The three searches, run."""
    x, y = load_digits(return_X_y=True)
    x_train, x_val, y_train, y_val = train_test_split(
        (x / 16).astype("float32"), y, train_size=640, random_state=0
    )
    searches = {
        "grid": kd.tuning.GridSearch(on_a_grid, max_trials=TRIALS, name="grid"),
        "random": kd.tuning.RandomSearch(in_ranges, max_trials=TRIALS, name="random"),
        "Bayesian": kd.tuning.BayesianSearch(in_ranges, max_trials=TRIALS, name="bayesian"),
    }
    for name, search in searches.items():
        print(f"\n{name} search")
        search.run(x_train, y_train, validation_data=(x_val, y_val), epochs=5)
        search.plot(f"logs/tuning/{search.directory.name}.png")
    return searches


def picture(tables):
    """Where each search tried, and its best loss so far."""
    figure = Figure(figsize=(13, 3.6), layout="constrained")
    *panels, last = figure.subplots(1, 4)
    for panel, (name, table) in zip(panels, tables.items(), strict=True):
        rates, decays = (
            [row["hyperparameters"][key] for row in table] for key in ("learning_rate", "decay")
        )
        panel.scatter(rates, decays, c=[row["objective"] or np.nan for row in table], vmax=2.5)
        panel.set(xscale="log", yscale="log", xlabel="learning rate", title=f"{name} search")
        panel.set(xlim=(RATES[0] / 2, RATES[1] * 2), ylim=(DECAYS[0] / 2, DECAYS[1] * 2))
        style = "--" if name == "Bayesian" else "-"  # it may lie on the line of the random search
        last.plot(range(1, len(table) + 1), best_so_far(table), style, label=name)
    panels[0].set_ylabel("weight decay")
    last.set(xlabel="trial", title="best validation loss so far", yscale="log")
    last.legend()
    figure.savefig(PICTURE)


def best_so_far(table):
    """The best objective after each trial; failed ones do not count."""
    return np.fmin.accumulate([row["objective"] or np.nan for row in table])


def main():
    """Print the sentences."""
    searches = searched()
    tables = {name: search.results() for name, search in searches.items()}
    best = {name: best_so_far(table)[-1] for name, table in tables.items()}
    rates = {
        name: len({row["hyperparameters"]["learning_rate"] for row in table})
        for name, table in tables.items()
    }
    rows = [row for row in tables["grid"] if row["objective"] is not None]
    by_rate: dict[float, list[float]] = {}
    for row in rows:
        by_rate.setdefault(row["hyperparameters"]["learning_rate"], []).append(row["objective"])
    means = [np.mean(losses) for losses in by_rate.values()]
    spread = np.median([max(losses) - min(losses) for losses in by_rate.values()])
    print(
        f"\nGrid search is computationally expensive: {len(tables['grid'])} trials tried "
        f"{rates['grid']} learning rates, each {len(tables['grid']) // rates['grid']} times with "
        f"another weight decay, which changed the loss by {spread:.2g} where the learning rate "
        f"changed it by {max(means) - min(means):.2g}; best loss {best['grid']:.3f}."
    )
    print(
        f"Random search covers each range: {len(tables['random'])} trials tried "
        f"{rates['random']} learning rates; best loss {best['random']:.3f}."
    )
    target = 1.1 * min(best.values())
    needed = {}
    for name, table in tables.items():
        reached = np.flatnonzero(best_so_far(table) <= target)
        needed[name] = f"{reached[0] + 1}" if len(reached) else f"more than {len(table)}"
    start = best_so_far(tables["random"])[9]
    values = searches["Bayesian"].best_hyperparameters
    late = {
        name: np.nanmedian([row["objective"] or np.nan for row in table[10:]])
        for name, table in tables.items()
    }
    print(
        f"Bayesian optimization chooses by a model of the loss: its first ten trials are the "
        f"random search's (best {start:.3f}), with the next {TRIALS - 10} it came to "
        f"{best['Bayesian']:.3f}, random search to {best['random']:.3f}; half of these were better "
        f"than {late['Bayesian']:.2g}, of the random search's than {late['random']:.2g}. To within "
        f"10 % of the best of all it needed {needed['Bayesian']} trials, random search "
        f"{needed['random']}, grid search {needed['grid']}. "
        f"Best learning rate {values['learning_rate']:.3g}."
    )
    picture(tables)
    print(f"The picture is in {PICTURE}.")


if __name__ == "__main__":
    main()
