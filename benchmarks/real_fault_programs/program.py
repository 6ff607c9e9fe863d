"""What a real network with a fault is: its two runs, its test data, and what should be said."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.diagnosis_programs import Run
from keras_dlnotes.measures import skill


@dataclass
class RealRun(Run):
    """All that `fit` needs, and what the trained model will meet.

    Args:
        test: inputs and targets as the model meets them later, of the kind the user cares for;
            targets as a list where there are several outputs.
    """

    test: Any = None

    def skill(self):
        """Mean skill of the outputs for the test data; 0 is the best constant, 1 is perfect."""
        inputs, targets = self.test
        predictions = self.model.predict(inputs, batch_size=64, verbose=0)
        if not isinstance(targets, list):
            targets, predictions = [targets], [predictions]
        values = [_skill(*pair) for pair in zip(targets, predictions, strict=True)]
        return float(np.mean([max(value, 0.0) for value in values]))


def _skill(targets, predictions):
    """By accuracy where the targets are numbers of classes, else by squared error."""
    if not np.isfinite(predictions).all():
        return 0.0
    predictions = np.asarray(predictions, "float64")
    if targets.dtype.kind == "f":
        return skill(targets.reshape(len(targets), -1), predictions.reshape(len(targets), -1)).best
    if predictions.shape[-1] == 1:
        columns = targets.reshape(-1, 1)
    else:
        columns = np.eye(predictions.shape[-1])[targets.reshape(-1)]
    found = skill(columns, predictions.reshape(columns.shape), classes=True).accuracy
    return 0.0 if found is None else found


@dataclass(frozen=True)
class RealProgram:
    """One fault in a real network, and its twin without.

    Args:
        make: function of whether it is broken that returns a `RealRun`.
        network: what is trained.
        causes: names of causes that are right to be named first.
        layers: beginnings of the names of layers where the fault is; empty where it is in none.
        least: skill that the twin has to reach for the pair to count.
    """

    make: Any
    network: str
    causes: tuple
    layers: tuple = ()
    least: float = 0.5

    @property
    def name(self):
        """The function's name."""
        return self.make.__name__


def table():
    """A list and a decorator that appends to it."""
    programs = []

    def program(network, *causes, layers=(), least=0.5):
        def add(make):
            programs.append(RealProgram(make, network, causes, layers, least))
            return make

        return add

    return programs, program
