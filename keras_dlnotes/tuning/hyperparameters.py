"""What a `build` function asks for the values of one trial."""

import math
import numbers
from collections.abc import Iterable, Mapping
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import BaseTrial


class SearchRefused(ValueError):  # noqa: N818, a refusal is not the trial's error
    """What is asked of the search cannot work in any trial; no trial is spent on it."""


class HyperParameters:
    """Hands the values of one trial to `build`, which defines the space by asking.

    When to use it: as the argument `hp` of `build(hp)`. A parameter exists once it was asked for,
    so conditions are plain Python: what is asked for inside an `if` is tuned only there. Asked
    again under the same name, it answers the same value.

    Args:
        trial: Optuna's `Trial`, or a `FixedTrial` to build again what a trial had.
        space: dict from name to a list of values or an Optuna distribution, for those who would
            rather state the space than ask for it; `hp["name"]` then reads a value.
        finite: whether every range must be a finite list of values, as grid search needs it.

    Example:
    ```python
    def build(hp):
        model = keras.Sequential([keras.layers.Dense(hp.Int("units", 8, 64, log=True), "relu")])
        if hp.Boolean("dropout"):
            model.add(keras.layers.Dropout(hp.Float("rate", 0.1, 0.5)))
        model.add(keras.layers.Dense(1))
        model.compile(keras.optimizers.Adam(hp.Float("learning_rate", 1e-4, 1e-1, log=True)), "mse")
        return model
    ```
    """

    def __init__(
        self, trial: BaseTrial, space: Mapping[str, Any] | None = None, finite: bool = False
    ) -> None:
        self._trial = trial
        self._finite = finite
        self.values: dict[str, Any] = {}
        for name, values in (space or {}).items():
            self._suggest(name, as_distribution(name, values))

    def Float(  # noqa: N802, as in KerasTuner
        self,
        name: str,
        min_value: float,
        max_value: float,
        step: float | None = None,
        log: bool = False,
    ) -> float:
        """A real number between `min_value` and `max_value`, both included.

        Args:
            name: the parameter's name.
            min_value: the smallest value.
            max_value: the largest value.
            step: distance between neighbouring values; with `log=True` their ratio.
            log: whether the logarithm is spread evenly, as for a learning rate.

        Raises:
            ValueError: If the range is empty or, with `log=True`, not positive.
        """
        _check_range(name, min_value, max_value, step, log)
        if log and step is not None:
            # Optuna has no logarithmic range with steps: its values become a choice.
            return self._suggest(
                name, CategoricalDistribution(_powers(name, min_value, max_value, step))
            )
        return self._suggest(
            name, FloatDistribution(float(min_value), float(max_value), log=log, step=step)
        )

    def Int(  # noqa: N802
        self, name: str, min_value: int, max_value: int, step: int = 1, log: bool = False
    ) -> int:
        """A whole number between `min_value` and `max_value`, both included.

        Args:
            name: the parameter's name.
            min_value: the smallest value.
            max_value: the largest value.
            step: distance between neighbouring values; with `log=True` their ratio, if above 1.
            log: whether the logarithm is spread evenly, as for a number of units.

        Raises:
            ValueError: If the range is empty or, with `log=True`, not positive.
        """
        _check_range(name, min_value, max_value, step, log)
        if int(min_value) != min_value or int(max_value) != max_value or int(step) != step:
            raise SearchRefused(
                f"Expected whole numbers for {name!r}. Received min_value={min_value!r}, "
                f"max_value={max_value!r}, step={step!r}. Use hp.Float for others."
            )
        if log and step > 1:
            powers = [round(value) for value in _powers(name, min_value, max_value, step)]
            return self._suggest(name, CategoricalDistribution(powers))
        return self._suggest(
            name, IntDistribution(int(min_value), int(max_value), log=log, step=step)
        )

    def Choice(self, name: str, values: Iterable[Any]) -> Any:  # noqa: N802
        """One of `values`: strings, numbers, booleans or None.

        Raises:
            ValueError: If there are no values, or one that cannot be written to the journal.
        """
        return self._suggest(name, as_distribution(name, values))

    def Boolean(self, name: str) -> bool:  # noqa: N802
        """True or False."""
        return self._suggest(name, as_distribution(name, [False, True]))

    def __getitem__(self, name: str) -> Any:
        """The value of a parameter that was asked for or is in the explicit space."""
        if name not in self.values:
            raise KeyError(
                f"Expected one of the hyperparameters {sorted(self.values)}. Received {name!r}. "
                "Ask for it first, for example with hp.Float, or add it to `space`."
            )
        return self.values[name]

    def _suggest(self, name: str, distribution: BaseDistribution) -> Any:
        if self._finite:
            _check_finite(name, distribution)
        try:
            self.values[name] = _suggested(self._trial, name, distribution)
        except ValueError as error:
            raise SearchRefused(
                f"Expected {name!r} to be asked for in the same way in every trial of a study: of "
                f"the same kind, a choice always of the same values. Received {distribution}. "
                "Give what differs another name, or begin a new study. "
                f"(Optuna: {error})"
            ) from error
        return self.values[name]


def _suggested(trial: BaseTrial, name: str, distribution: Any) -> Any:
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    suggest = (
        trial.suggest_float if isinstance(distribution, FloatDistribution) else trial.suggest_int
    )
    return suggest(
        name, distribution.low, distribution.high, step=distribution.step, log=distribution.log
    )


def as_distribution(name: str, values: Any) -> BaseDistribution:
    """Optuna's distribution of a list of values; a distribution passes through."""
    _check_name(name)
    if isinstance(values, BaseDistribution):
        return values
    if isinstance(values, str) or not hasattr(values, "__iter__"):
        raise SearchRefused(
            f"Expected a list of values or an Optuna distribution for {name!r}. "
            f"Received {values!r}."
        )
    values = [value.item() if hasattr(value, "item") else value for value in values]
    unknown = [v for v in values if not isinstance(v, str | bool | int | float | type(None))]
    if unknown or not values:
        raise SearchRefused(
            f"Expected strings, numbers, booleans or None as values of {name!r}, at least one. "
            f"Received {unknown or values!r}. For anything else choose a name and look it up: "
            "layers[hp.Choice('layers', list(layers))]."
        )
    return CategoricalDistribution(values)


def _check_name(name: Any) -> None:
    if not isinstance(name, str) or not name:
        raise SearchRefused(
            f"Expected a hyperparameter's name as first argument, a string. Received {name!r}."
        )


def _check_range(name: str, min_value: Any, max_value: Any, step: Any, log: bool) -> None:
    _check_name(name)
    ends = (min_value, max_value)
    if not all(isinstance(end, numbers.Real) and math.isfinite(end) for end in ends) or (
        min_value > max_value
    ):
        raise SearchRefused(
            f"Expected finite numbers min_value <= max_value for {name!r}. "
            f"Received {min_value!r} and {max_value!r}."
        )
    if step is not None and not step > 0:
        raise SearchRefused(f"Expected a step above 0 for {name!r}. Received {step!r}.")
    if log and min_value <= 0:
        raise SearchRefused(
            f"Expected min_value > 0 for {name!r}, because log=True. Received {min_value!r}."
        )


def _powers(name: str, min_value: float, max_value: float, ratio: float) -> list[float]:
    if ratio <= 1:
        raise SearchRefused(
            f"Expected step > 1 for {name!r}: with log=True it is the ratio of neighbouring "
            f"values, such as 10. Received {ratio!r}."
        )
    # A little beyond the logarithm: 1e-4 * 10**3 must count as reaching 1e-1.
    count = math.floor(math.log(max_value / min_value) / math.log(ratio) + 1e-9) + 1
    return [min_value * ratio**k for k in range(count)]


def _check_finite(name: str, distribution: BaseDistribution) -> None:
    if isinstance(distribution, FloatDistribution) and distribution.step is None:
        raise SearchRefused(
            f"Expected a step for the continuous range of {name!r} "
            f"({distribution.low:g} to {distribution.high:g}), because grid search tries all "
            "possible combinations and is not suitable for continuous hyperparameters. "
            "Received none. Pass a step (with log=True the ratio of neighbouring values, for "
            f"example hp.Float({name!r}, {distribution.low:g}, {distribution.high:g}, step=10, "
            "log=True)), use hp.Choice, or search with RandomSearch or BayesianSearch."
        )
