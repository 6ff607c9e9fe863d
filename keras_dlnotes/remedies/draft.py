"""A run as remedies change it, before it is made."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keras

from keras_dlnotes.diagnosis import ModelFacts


@dataclass
class Draft:
    """What a run of a copy is made of; each remedy changes a part.

    Args:
        facts: `ModelFacts` of the model as it was given.
        seed: of all that is drawn in the run.
        layers: functions of a layer and its configuration that return the one to use; they are
            asked for each layer while the model is copied.
        models: functions of the built copy and the training inputs that return the model to use.
        examples: functions of the training inputs (a list of arrays) and targets that return a
            function of inputs and targets, which is applied to validation data too.
        compiled: arguments of `compile` that differ.
        optimizer: class name of another optimizer; None for the model's own.
        optimizer_settings: settings of the optimizer that differ.
        batch_size: examples of a batch.
        longer: how many times as many epochs.
        shuffle: whether the examples are shuffled before each epoch.
        balanced: whether classes are weighted by one over their share.
        stops_early: whether the run ends when the validation loss rises.
    """

    facts: ModelFacts
    seed: int = 0
    layers: list[Callable[..., Any]] = field(default_factory=list)
    models: list[Callable[..., Any]] = field(default_factory=list)
    examples: list[Callable[..., Any]] = field(default_factory=list)
    compiled: dict[str, Any] = field(default_factory=dict)
    optimizer: str | None = None
    optimizer_settings: dict[str, Any] = field(default_factory=dict)
    batch_size: int = 32
    longer: int = 1
    shuffle: bool = True
    balanced: bool = False
    stops_early: bool = False

    def configuration(self, layer: keras.Layer, config: dict[str, Any]) -> dict[str, Any]:
        """The configuration of the copy of a layer."""
        for change in self.layers:
            config = change(layer, config)
        return config


@dataclass(frozen=True)
class Remedy:
    """One thing to change about a run.

    Args:
        name: its key in `Finding.fix` and in `Repair.settings`.
        apply: function of a `Draft` and a setting that changes the draft.
        sentence: function of `ModelFacts` and a setting that says what is changed.
        code: function of `ModelFacts` and a setting that returns lines of Python, which change
            `model`, `x` or `y`; none for what the lines with `compile` and `fit` say.
    """

    name: str
    apply: Callable[[Draft, Any], None]
    sentence: Callable[[ModelFacts, Any], str]
    code: Callable[[ModelFacts, Any], list[str]] = lambda facts, setting: []
