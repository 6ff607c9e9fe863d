"""What the three searches share: asking for trials, running them, losing none."""

import abc
import contextlib
import gc
import inspect
import os
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import optuna
from optuna import Study
from optuna.pruners import BasePruner
from optuna.samplers import BaseSampler
from optuna.trial import FixedTrial, FrozenTrial

from keras_dlnotes.numerics.number_arguments import whole_number
from keras_dlnotes.tuning.hyperparameters import HyperParameters, as_distribution
from keras_dlnotes.tuning.plot import figure_of
from keras_dlnotes.tuning.pruning import as_pruner
from keras_dlnotes.tuning.results_table import ResultsTable, SearchProgress, best_of, table_of
from keras_dlnotes.tuning.search_objective import SearchObjective
from keras_dlnotes.tuning.search_worker import SearchWorker
from keras_dlnotes.tuning.seeded_sampler import SeededSampler, seed_of
from keras_dlnotes.tuning.study_store import StudyStore, check_name
from keras_dlnotes.tuning.trial_run import FIT_ARGUMENTS, TrialPlan
from keras_dlnotes.tuning.weights_folder import has_weights, load_weights

# Under which a study keeps what its first call of `run` passed to `fit`.
_TRAINING = "training"


class Search(abc.ABC):
    """Base of `GridSearch`, `RandomSearch` and `BayesianSearch`.

    Args:
        build: function from `HyperParameters` to a compiled model, or to such a model and a dict
            of arguments for `fit`: `return model, {"batch_size": hp.Choice("batch", [16, 64])}`.
        objective: entry of the logs to optimize. A training's objective is that of its best epoch,
            a trial's the mean of its trainings'.
        max_trials: how many trials to run, failed and pruned ones included; raise it to go on.
        directory: where studies live. `directory/name` gets the journal, the curves and the
            weights of the best trial.
        name: the study's name, and that of its folder.
        seed: whole number. The same seed proposes the same trials and trains them from the same
            weights: Python's, NumPy's and the backend's generators are seeded before each build.
        space: dict from name to a list of values or an Optuna distribution, if it is to be stated
            rather than asked for in `build`.
        mode: `"min"`, `"max"`, or `"auto"` to read it off the objective's name.
        executions_per_trial: trainings a trial, from different seeds, for noisy objectives.
        pruner: None; `"median"`, to end a trial whose best value so far is worse than the median
            of the finished trials' values at its epoch, or whose present value is far worse than
            theirs ever were (it has diverged), once five trials have finished;
            `"successive_halving"`, to let the better quarter of trials train four times as long;
            or a pruner of Optuna's. With any of them a trial whose `loss` is no longer finite is
            ended too. A trial whose objective is not finite is ended in any case, and has failed.
        storage: None for a journal in `directory/name`, or the URL of a database:
            `"postgresql://user@host/database"` for workers on several machines (the extra
            `postgresql`), `"sqlite:///study.db"` for one machine. See `docs/reliability.md`.
        verbose: 1 prints a line for each trial, 0 does not.

    Example, a search of one's own:
    ```python
    class QuasiRandomSearch(kd.tuning.Search):
        def _make_sampler(self, seed):
            return optuna.samplers.QMCSampler(seed=seed)
    ```
    """

    # Whether the next trial can be chosen only when all running ones have all of their values.
    needs_complete_builds = False

    def __init__(
        self,
        build: Callable[[HyperParameters], Any],
        objective: str = "val_loss",
        max_trials: int | None = 25,
        directory: str | os.PathLike[str] = "logs/tuning",
        name: str = "search",
        seed: int = 0,
        *,
        space: Mapping[str, Any] | None = None,
        mode: Literal["auto", "min", "max"] = "auto",
        executions_per_trial: int = 1,
        pruner: BasePruner | Literal["median", "successive_halving"] | None = None,
        storage: str | None = None,
        verbose: int = 1,
    ) -> None:
        _check(build)
        check_name(name, directory)
        self.build = build
        self.objective = SearchObjective(objective, mode)
        self.max_trials = None if max_trials is None else whole_number("max_trials", max_trials)
        self.space = {name: as_distribution(name, v) for name, v in (space or {}).items()}
        self.seed = whole_number("seed", seed, least=0)
        self.executions_per_trial = whole_number("executions_per_trial", executions_per_trial)
        self.verbose = verbose
        self.pruner = as_pruner(pruner)
        self._store = StudyStore(Path(directory) / name, name, storage)

    @property
    def directory(self) -> Path:
        """Folder of the study."""
        return self._store.directory

    @abc.abstractmethod
    def _make_sampler(self, seed: int) -> BaseSampler:
        """An Optuna sampler."""

    def run(
        self,
        x: Any = None,
        y: Any = None,
        validation_data: Any = None,
        epochs: int = 1,
        callbacks: keras.callbacks.Callback | Sequence[keras.callbacks.Callback] | None = None,
        **fit_arguments: Any,
    ) -> ResultsTable:
        """Runs trials until `max_trials` are reached; the same call resumes an interrupted search.

        Several processes may run the same search at once; they share the trials.

        Args:
            x: as in `fit`.
            y: as in `fit`.
            validation_data: as in `fit`.
            epochs: as in `fit`.
            callbacks: list of callbacks for every training, as if `fit` were called again and
                again. What must be new for each training comes from `build`:
                `return model, {"callbacks": [...]}`.
            **fit_arguments: whatever else `fit` takes; what `build` returns has precedence.

        Returns:
            The `ResultsTable`.

        Warns:
            UserWarning: If the study was begun with another pruner, other numbers for `fit` (as
                `epochs`) or data of another shape: its trials cannot be compared.

        Raises:
            ValueError: If what is asked for cannot work in any trial, or the study was begun with
                other settings. No trial is spent.
            OSError: If a trial cannot be stored, because the disk is full for instance. It says
                what the trial had come to. The same call goes on, and runs that trial again.
        """
        if unknown := set(fit_arguments) - FIT_ARGUMENTS:
            raise TypeError(
                f"Expected arguments of keras.Model.fit. Received also {sorted(unknown)}."
            )
        for label, data in (("x", x), ("validation_data", validation_data)):
            if inspect.isgenerator(data):
                raise ValueError(
                    f"Expected as {label} data that every trial can read from its beginning. "
                    "Received a generator, which is at its end after one training. Pass arrays, a "
                    "keras.utils.PyDataset or a tf.data.Dataset, or let build make it: return "
                    f"model, {{{label!r}: generate()}}."
                )
        callbacks = [callbacks] if isinstance(callbacks, keras.callbacks.Callback) else callbacks
        arguments = {
            "x": x,
            "y": y,
            "validation_data": validation_data,
            "epochs": epochs,
            "callbacks": callbacks,
            "verbose": 0,
            **fit_arguments,
        }
        with contextlib.ExitStack() as stack:
            stack.enter_context(_quiet_optuna())
            sampler = SeededSampler(self._make_sampler, self.seed)
            study, claims = stack.enter_context(
                self._store.open(self.objective.mode, self._settings(), sampler, self.pruner)
            )
            _warn_of_other_training(study, arguments, self.pruner)
            plan = TrialPlan(
                build=self.build,
                space=self.space,
                fit_arguments=arguments,
                objective=self.objective,
                seed=self.seed,
                executions=self.executions_per_trial,
                directory=self.directory,
                directory_of=self.trial_directory,
                prunes=self.pruner is not None,
                complete_builds=self.needs_complete_builds,
            )
            worker = SearchWorker(plan, study, claims, self._is_over)
            # What was there before need not be looked through again after each trial.
            gc.collect()
            gc.freeze()
            stack.callback(gc.unfreeze)
            ended = [row for row in table_of(study) if row["state"] != "running"]
            progress = SearchProgress(self.objective, self.max_trials, len(ended), self.verbose)
            try:
                while (number := worker.run_next()) is not None:
                    progress.report(number, table_of(study))
                    gc.collect()  # models are cyclic; theirs is the memory that the next needs
            except KeyboardInterrupt:
                progress.interrupted()
                raise
            return table_of(study, self.objective.name)

    @property
    def best_hyperparameters(self) -> dict[str, Any]:
        """Dict of the values of the best finished trial.

        Raises:
            ValueError: If no trial has finished.
        """
        return dict(self._best_trial().params)

    def best_model(self) -> keras.Model:
        """The best trial's model, compiled, with the weights of its best epoch.

        Raises:
            ValueError: If no trial has finished.
            FileNotFoundError: If its weights were written on another machine.
        """
        trial = self._best_trial()
        folder = self.trial_directory(trial.number)
        if not has_weights(folder):
            raise FileNotFoundError(
                f"Expected the weights of trial {trial.number} in {str(folder)!r}. They are not "
                "there; another machine ran it. Share `directory` between the machines, or train "
                "a model of `best_hyperparameters`."
            )
        keras.utils.set_random_seed(seed_of(self.seed, trial.number, 0))
        built = self.build(HyperParameters(FixedTrial(trial.params), self.space))
        model = built[0] if isinstance(built, tuple) else built
        load_weights(model, folder)
        return model

    def results(self) -> ResultsTable:
        """The `ResultsTable` of all trials so far."""
        with _quiet_optuna(), self._store.reading() as study:
            return table_of(study, self.objective.name)

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Draws the objective against each hyperparameter, and the best so far against the trial.

        Args:
            path: where to save the figure, if anywhere.

        Returns:
            A Matplotlib `Figure`.
        """
        figure = figure_of(self.results(), self.objective)
        if path is not None:
            figure.savefig(path)
        return figure

    def _settings(self) -> dict[str, Any]:
        return {
            "search": type(self).__name__,
            "objective": self.objective.name,
            "mode": self.objective.mode,
            "seed": self.seed,
            "executions_per_trial": self.executions_per_trial,
            "space": {name: str(distribution) for name, distribution in self.space.items()},
        }

    def _best_trial(self) -> FrozenTrial:
        with _quiet_optuna(), self._store.reading() as study:
            best = best_of(study)
            table = table_of(study)
        if best is None:
            failed = [row["message"] for row in table if row["state"] == "failed"]
            because = f" The last one failed: {failed[-1]}" if failed else ""
            raise ValueError(
                f"Expected at least one finished trial. Received {len(table)} trials, "
                f"{len(failed)} of them failed.{because}"
            )
        return best

    def is_exhausted(self, study: Study) -> bool:
        """Whether there is nothing left to try."""
        return False

    def trial_directory(self, number: int) -> Path:
        """Folder of a trial's curves."""
        return self.directory / f"trial_{number:04d}"

    def _is_over(self, study: Study) -> bool:
        reached = self.max_trials is not None and (
            len(study.get_trials(deepcopy=False)) >= self.max_trials
        )
        return reached or self.is_exhausted(study)


def _check(build: Any) -> None:
    if not callable(build):
        raise TypeError(
            f"Expected build(hp), a function that returns a compiled model. Received {build!r}."
        )


def _warn_of_other_training(study: Study, arguments: dict[str, Any], pruner: Any) -> None:
    """Warns where a resumed search trains otherwise than it began: its trials differ."""
    plain = {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in arguments.items()
        if isinstance(value, str | bool | int | float | np.generic) and name != "verbose"
    }
    # An argument that is given as Keras would have it is no change.
    parameters = inspect.signature(keras.Model.fit).parameters
    usual = {name: known.default for name, known in parameters.items()} | {"batch_size": 32}
    now: dict[str, Any] = {
        name: value for name, value in plain.items() if name == "epochs" or value != usual.get(name)
    }
    shapes = {name: getattr(arguments.get(name), "shape", None) for name in ("x", "y")}
    now |= {f"shape of {name}": str(tuple(shape)) for name, shape in shapes.items() if shape}
    now["pruner"] = None if pruner is None else type(pruner).__name__
    then = study.user_attrs.get(_TRAINING)
    if then is None:
        study.set_user_attr(_TRAINING, now)
        return
    differing = [name for name in {**then, **now} if then.get(name) != now.get(name)]
    if differing:
        warnings.warn(
            f"The trials of the study {study.study_name!r} cannot be compared: it was begun with "
            f"{ {name: then.get(name) for name in differing} } and goes on with "
            f"{ {name: now.get(name) for name in differing} }. Pass the first values again, or "
            "another `name` for a new search.",
            stacklevel=3,
        )


@contextlib.contextmanager
def _quiet_optuna() -> Iterator[None]:
    """The search has its own line for each trial."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)
