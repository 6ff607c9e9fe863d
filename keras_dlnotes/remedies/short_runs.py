"""Short runs of copies of a model, each with some remedies."""

import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np

from keras_dlnotes.backend import active
from keras_dlnotes.backend.dtypes import is_number
from keras_dlnotes.diagnosis import (
    Evidence,
    Finding,
    as_taken,
    batch_size_of,
    compile_like,
    copy_of,
    described,
    findings_of,
    flat_inputs,
    label_facts,
    metrics_kept,
    model_facts,
    optimizer_like,
    with_predictions,
)
from keras_dlnotes.instrumentation import inner_optimizer
from keras_dlnotes.remedies.draft import Draft
from keras_dlnotes.remedies.examples import Examples, sorted_places
from keras_dlnotes.remedies.fit_settings import balanced_weights
from keras_dlnotes.remedies.loaded_weights import keep_loaded_weights
from keras_dlnotes.remedies.snippet import snippet
from keras_dlnotes.remedies.table import REMEDIES

WORST = -1.0  # the skill of a run that failed altogether
_MOST_WORDS = 300  # characters of an error's text
_LONGEST = 8  # times as many steps as without remedies, whatever these say
_TO_STOP = 0.2  # of the examples tell when a run that may end early ends
_PATIENCE = 5  # a run that may end early waits for a fifth of its epochs


@dataclass(frozen=True)
class Attempt:
    """One short run.

    Args:
        settings: dict from the names of the remedies in it to their settings.
        skill: of the predictions for the examples held out: 0 is the best constant, 1 is perfect;
            -1 of a run that gave no numbers.
        findings: what a diagnosis of the run found, in its order.
        evidence: the `Evidence` that it rests on; None where there is none.
        problem: why it could not be made, or None.
        steps: number of train steps.
    """

    settings: dict
    skill: float = WORST
    findings: list[Finding] = field(default_factory=list)
    evidence: Evidence | None = None
    problem: str | None = None
    steps: int = 0

    @property
    def causes(self) -> set[str]:
        """The causes that were found."""
        return {finding.cause for finding in self.findings}


class ShortRuns:
    """Trains copies of a model; the model, its weights and its optimizer stay as they are.

    Two runs with the same settings and seed are the same: weights, order of the examples and
    dropout follow from the seed.

    Args:
        model: a compiled model.
        examples: `Examples`.
        diagnosis: function without arguments that makes a callback which diagnoses a run in silence
            (`Diagnosis(verbose=False)`).
        steps: train steps of a run without remedies.
        batch_size: examples of a batch.
        shuffle: whether the examples are shuffled before each epoch.
        watches: whether the examples held out are the user's validation data, which the diagnosis
            sees too.
        options: further arguments of `fit`.
        epochs: how many the user trains, which `fit_arguments` tell; None for as many as a short
            run has.
    """

    def __init__(
        self,
        model: keras.Model,
        examples: Examples,
        diagnosis: Callable[[], Any],
        steps: int,
        batch_size: int = 32,
        shuffle: bool = True,
        watches: bool = False,
        options: dict | None = None,
        epochs: int | None = None,
    ) -> None:
        self.model = model
        self._diagnosis = diagnosis
        self._steps = steps
        self._batch_size = batch_size_of(model) or batch_size
        self._shuffle = shuffle
        self._watches = watches
        self._options = options or {}
        self._whole = epochs
        if batch_size_of(model):
            examples = examples.in_whole_batches(self._batch_size)
        self._examples = examples.at_most(steps * self._batch_size)
        self.facts = model_facts(model if model.built else self._built())

    def cost(self, settings: dict) -> int:
        """Train steps that a run takes."""
        draft = self.draft(settings)
        return self._epochs(draft) * self._steps_per_epoch(draft.batch_size)

    def draft(self, settings: dict, seed: int = 0) -> Draft:
        """The run that the remedies make, not yet built."""
        draft = Draft(self.facts, seed, batch_size=self._batch_size, shuffle=self._shuffle)
        unknown = set(settings) - {remedy.name for remedy in REMEDIES}
        if unknown:
            raise ValueError(f"Expected names of remedies. Received: {sorted(unknown)}.")
        for remedy in REMEDIES:
            if remedy.name in settings:
                remedy.apply(draft, settings[remedy.name])
        if batch_size_of(self.model):
            draft.batch_size = self._batch_size
        return draft

    def build(self, settings: dict, seed: int = 0) -> keras.Model:
        """The compiled copy with the remedies, as it starts its run."""
        draft = self.draft(settings, seed)
        with _drawing_by(seed):
            asked: list = []  # for the configurations of which layers

            def configuration(layer, config):
                asked.append(layer)
                return draft.configuration(layer, config)

            copy = copy_of(self.model, self._few(), configuration, weights=False)
            if draft.layers and not asked:
                raise ValueError(f"class {type(self.model).__name__} makes its layers itself")
            keep_loaded_weights(self.model, copy)
            inputs, _ = self.prepared(settings, *self._training())
            for change in draft.models:
                copy = change(copy, inputs)
        compile_like(copy, self.model, self._optimizer(draft), **draft.compiled)
        return copy

    def prepared(self, settings: dict, inputs: list, targets: np.ndarray) -> tuple:
        """Inputs and targets as the remedies change them."""
        given, wanted = self._training()
        for learn in self.draft(settings).examples:
            change = learn(given, wanted)
            given, wanted = change(given, wanted)
            inputs, targets = change(inputs, targets)
        return inputs, targets

    def sentences(self, settings: dict) -> list[str]:
        """What the remedies change, one sentence each."""
        return [
            remedy.sentence(self.facts, settings[remedy.name])
            for remedy in REMEDIES
            if remedy.name in settings
        ]

    def fit_arguments(self, settings: dict) -> dict:
        """Arguments of `fit` for the user's run."""
        draft = self.draft(settings)
        epochs = self._epochs(draft) if self._whole is None else self._whole * draft.longer
        arguments = {"batch_size": draft.batch_size, "epochs": epochs, "shuffle": draft.shuffle}
        if draft.stops_early:
            arguments |= {"validation_split": _TO_STOP, "callbacks": [_stopping(epochs)]}
        return arguments | self._fit_options(draft, settings)

    def code(self, settings: dict, model: keras.Model) -> str:
        """Python that makes the run with the remedies."""
        return snippet(
            self.draft(settings), settings, model, self.model, self.fit_arguments(settings)
        )

    def attempt(self, settings: dict, seed: int = 0) -> Attempt:
        """Makes one run and measures it; what it raises is its `problem`."""
        diagnosis = self._diagnosis()
        try:
            with metrics_kept(self.model):
                skill, problem = self._skill(settings, seed, diagnosis), None
        except Exception as error:  # of the user's own classes, or of a remedy that does not fit
            skill, problem = WORST, " ".join(described(error).split())[:_MOST_WORDS]
        findings = list(diagnosis.findings)
        evidence = diagnosis.evidence[0] if diagnosis.evidence else None
        if evidence is None and problem is not None:
            # Keras refuses some data before it calls any callback.
            evidence = self._known(settings, problem)
            findings = findings_of(evidence)
        elif evidence is not None and evidence.labels is not None:
            # The run may have ended at its first batch: all labels say what output they need.
            _, targets = self.prepared(settings, *self._training())
            labels = label_facts(targets, evidence.model.loss)
            evidence = replace(evidence, labels=labels)
        return Attempt(settings, skill, findings, evidence, problem, self.cost(settings))

    def _known(self, settings, problem):
        """`Evidence` of configuration and data, where no step was taken."""
        facts = self.facts
        with contextlib.suppress(Exception):  # a remedy that does not fit the model
            facts = model_facts(self.build(settings))
        given, wanted = self._training()
        kinds = [("inputs", part) for part in given] + [("targets", wanted)]
        text = [(name, str(part.dtype)) for name, part in kinds if not is_number(part.dtype)]
        evidence = Evidence(
            model=facts,
            prediction_shape=facts.output_shape,
            finished=False,
            error=problem,
            non_numeric=tuple(text),
        )
        if text:
            return evidence
        inputs, targets = self.prepared(settings, given, wanted)
        labels = label_facts(targets, facts.loss)
        return replace(evidence, inputs=flat_inputs(inputs), labels=labels)

    def _skill(self, settings, seed, diagnosis):
        if "labels" in settings and "class_weight" in self._options:
            raise ValueError("`class_weight` is for the labels as they are")
        draft = self.draft(settings, seed)
        model = self.build(settings, seed)
        inputs, targets = self.prepared(settings, *self._training())
        held_out = self._examples.held_out
        held_out = self.prepared(settings, *held_out) if held_out else (inputs, targets)
        epochs = self._epochs(draft)
        options = self._fit_options(draft, settings)
        callbacks, validation = [diagnosis], None
        if self._watches:
            validation = (as_taken(self.model, held_out[0]), held_out[1])
        if draft.stops_early:
            # On examples of its own: who is measured on those that chose the weights looks better.
            out = np.zeros(len(targets), bool)
            out[sorted_places(targets)[:: round(1 / _TO_STOP)]] = True
            stops = [part[out] for part in inputs]
            validation = (as_taken(self.model, stops), targets[out])
            inputs, targets = [part[~out] for part in inputs], targets[~out]
            callbacks.append(_stopping(epochs))
        batches = _Batches(self.model, inputs, targets, draft, whole=batch_size_of(self.model))
        with _drawing_by(seed):
            model.fit(
                batches,
                epochs=epochs,
                validation_data=validation,
                validation_batch_size=draft.batch_size,
                verbose=0,
                callbacks=callbacks,
                **options,
            )
        return self._skill_of(model, held_out, draft.batch_size)

    def _fit_options(self, draft, settings):
        """What the user gave to `fit` beside the data, and the draft's weights of the classes."""
        if not draft.balanced:
            return self._options
        targets = self.prepared(settings, *self._training())[1]
        return {"class_weight": balanced_weights(targets)} | self._options

    def _skill_of(self, model, examples, batch_size):
        inputs, targets = examples
        if batch_size_of(self.model):  # only whole batches
            whole = len(targets) // batch_size * batch_size
            inputs, targets = [part[:whole] for part in inputs], targets[:whole]
        x = as_taken(self.model, inputs)
        predictions = model.predict(x, batch_size=batch_size, verbose=0)
        if not isinstance(predictions, np.ndarray):
            raise ValueError("its predictions cannot be compared with the targets")
        facts = model_facts(model)
        evidence = Evidence(model=facts, labels=label_facts(targets, facts.loss))
        skill = with_predictions(evidence, targets, predictions).skill
        if skill is None and np.all(targets == targets[:1]):
            raise ValueError("the examples to measure with have all the same target")
        if skill is None:
            raise ValueError("its predictions cannot be compared with the targets")
        return max(skill.best, WORST)

    def _epochs(self, draft):
        """As many as the run has without remedies, or as they say; of very small batches fewer."""
        usual = max(1, round(self._steps / self._steps_per_epoch(self._batch_size)))
        most = _LONGEST * self._steps // self._steps_per_epoch(draft.batch_size)
        return max(1, min(usual * draft.longer, most))

    def _steps_per_epoch(self, batch_size):
        return max(1, -(-len(self._examples.targets) // batch_size))

    def _optimizer(self, draft):
        optimizer = inner_optimizer(self.model)
        if draft.optimizer is not None:
            optimizer = keras.optimizers.get(draft.optimizer)
        return optimizer_like(optimizer, **draft.optimizer_settings)

    def _training(self):
        return self._examples.inputs, self._examples.targets

    def _built(self):
        with _drawing_by(0):
            copy = copy_of(self.model, self._few())
        compile_like(copy, self.model)
        return copy

    def _few(self):
        """Examples that build a model."""
        count = batch_size_of(self.model) or 2
        return as_taken(self.model, [part[:count] for part in self._examples.inputs])


def _stopping(epochs):
    patience = max(1, epochs // _PATIENCE)
    return keras.callbacks.EarlyStopping(patience=patience, restore_best_weights=True)


class _Batches(keras.utils.PyDataset):
    """Batches in an order that follows from a seed on every backend."""

    def __init__(self, model, inputs, targets, draft, whole=None):
        super().__init__()
        self._model, self._inputs, self._targets = model, inputs, targets
        self._size, self._shuffle = draft.batch_size, draft.shuffle
        self._whole = whole
        self._random = np.random.default_rng(draft.seed)
        self._order = np.arange(len(targets))
        self.on_epoch_end()

    def __len__(self):
        count = len(self._targets)
        return max(count // self._size if self._whole else -(-count // self._size), 1)

    def __getitem__(self, number):
        chosen = self._order[number * self._size : (number + 1) * self._size]
        x = as_taken(self._model, [part[chosen] for part in self._inputs])
        # TensorFlow takes no lists here.
        return tuple(x) if isinstance(x, list) else x, self._targets[chosen]

    def on_epoch_end(self):
        """Shuffles anew."""
        if self._shuffle:
            self._order = self._random.permutation(len(self._order))


@contextlib.contextmanager
def _drawing_by(seed):
    """Lets seeds that Keras draws for itself follow from a seed; generators are put back."""
    state = random.getstate()
    random.seed(seed)
    try:
        with active.random_numbers.seeded(seed):
            yield
    finally:
        random.setstate(state)
