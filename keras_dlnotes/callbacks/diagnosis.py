"""Says in words what is wrong with a training run."""

import json
import math
import os
import warnings
from typing import Any

import keras

from keras_dlnotes.callbacks.replay import replay
from keras_dlnotes.diagnosis import (
    DiagnosisError,
    RunRecord,
    evidence_of,
    findings_of,
    learning_rate_of,
    loss_gets_targets,
    model_facts,
    probe,
    report,
)
from keras_dlnotes.instrumentation import Subscription, TrainStepObserver
from keras_dlnotes.summaries import EventFileWriter

_ACTIONS = ("warn", "stop", "raise")
_RECORDED_STEPS = 100  # of a run, whatever its length
_EXAMPLES = 64  # of each recorded step's batch
_ROWS_PER_DELIVERY = 16
_UNKNOWN_PERIOD = 10  # every how many steps, where the length of the run is unknown


class Diagnosis(keras.callbacks.Callback):
    r"""Watches `fit` and says what is wrong, why, and what to do; silent where all is well.

    Use it on every run whose failure you would like to hear of: it costs about as much as
    `TrainingMonitor` at its default settings, and both together measure a step only once.

    About a hundred steps of the run are measured from inside, with some examples of their batches.
    When `fit` ends the model predicts a sample of its own training examples, and what it has
    learned is compared with what there was to learn: with \(R(p) = 1 - \sum \|t - p\|^2 / \sum
    \|t - \bar t\|^2\) the skill of predictions \(p\) for targets \(t\), the run has gone wrong if

    \[R(p_{network}) < 0.8 \, R(p_{yardstick})\]

    where the yardstick is kernel ridge regression, which predicts each example from all others in
    closed form. The rules (`keras_dlnotes.diagnosis.RULES`) then look for the cause. Faults that
    need no such comparison (a loss that does not fit the output, NaN) are told as soon as seen.

    Args:
        action: what to do with a finding: `"warn"` prints it; `"stop"` also ends training when
            the finding is sure before the run is over; `"raise"` raises
            `keras_dlnotes.diagnosis.DiagnosisError`.
        log_dir: also write the findings to this folder: as text for TensorBoard and as
            `diagnosis.json`.
        verify: replay a short run on a copy of the model with each remedy that can be applied
            automatically, and report the measured gain. Takes at most 300 steps for each, and as
            many for the comparison.
        verbose: whether findings are printed.

    Attributes:
        findings: list of `Finding`, the most likely cause first.
        evidence: list of the last run's `Evidence`, in plain numbers, one an output of the model.

    Raises:
        ValueError: if `action` is none of the three.
        OSError: when `fit` starts, if no file can be made in `log_dir`.

    Example:
    ```python
    import keras, numpy as np
    import keras_dlnotes as kd

    x = np.random.normal(size=(256, 4))
    y = (x[:, 0] > 0).astype(int)
    model = keras.Sequential([keras.layers.Dense(8, "relu"), keras.layers.Dense(1, "softmax")])
    model.compile("adam", "binary_crossentropy")
    diagnosis = kd.callbacks.Diagnosis()
    model.fit(x, y, epochs=5, verbose=0, callbacks=[diagnosis])
    assert diagnosis.findings[0].cause == "softmax_with_one_unit"
    ```

    Reference: Zhang et al., "AutoTrainer", 2021, and Schoop, Huang and Hartmann, "UMLAUT", 2021,
    for rules over a run; Rasmussen and Williams, 2006, equation 5.12, for the yardstick.
    """

    def __init__(self, action="warn", log_dir=None, verify=False, verbose=True):
        super().__init__()
        if action not in _ACTIONS:
            raise ValueError(
                f"`action` must be one of {_ACTIONS}. Received: action={action!r}. Pass 'warn' to "
                "be told, 'stop' to end hopeless runs, 'raise' to make them fail."
            )
        self.action = action
        self.log_dir = log_dir
        self.verify = verify
        self.verbose = verbose
        self.findings: list = []
        self.evidence: list = []
        self._observer: Any = None
        self._subscription: Any = None
        self._writer: Any = None

    def set_model(self, model):
        """Takes the model, and away from it what a `fit` that raised may have left."""
        super().set_model(model)
        TrainStepObserver.remove_from(model)

    def on_train_begin(self, logs=None):
        """Looks at the configuration and starts to observe."""
        self.findings = []
        self.evidence = []
        self._told = set()
        if self.log_dir is not None:  # a folder that cannot be written to is told before training
            self._writer = EventFileWriter(self.log_dir)
        self._facts: list = []  # one an output
        self._look_at_model()
        self._observer = TrainStepObserver.on(self.model, idle=self._observer)
        self._record = RunRecord(self.params.get("steps"), self._observer.next_step)
        self._first_batch = RunRecord(first_step=self._observer.next_step)
        self._next_check = 1
        self._subscription = Subscription(
            self._record.add,
            self._period(),
            interrupted=self._on_interruption,
            examples=_EXAMPLES,
            first_batch=self._on_first_batch,
        )
        self._observer.subscribe(self._subscription)

    def on_train_batch_begin(self, batch, logs=None):
        """Lets the next step be observed, and now and then fetches what was recorded."""
        self._look_at_model()
        if self._observer.waiting >= _ROWS_PER_DELIVERY:
            self._observer.deliver()
        self._observer.arm()

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the clock anew, since what lies between epochs is not a step."""
        self._observer.restart_clock()

    def on_epoch_end(self, epoch, logs=None):
        """Looks after 1, 2, 4, 8, ... epochs for what is sure already."""
        self._observer.deliver()
        self._record.add_epoch(logs or {}, learning_rate_of(self.model))
        if epoch + 1 < self._next_check:
            return
        self._next_check = 2 * (epoch + 1)
        self._judge(finished=False)
        if self.findings and self.action != "warn":
            self.model.stop_training = True

    def on_train_end(self, logs=None):
        """Judges the run and puts everything back."""
        self._observer.deliver()
        self._observer.unsubscribe(self._subscription)
        self._judge(finished=True)
        if self._writer is not None:
            self._write()
        if self.findings and self.action == "raise":
            raise DiagnosisError(self.findings)

    def to_json(self):
        """The findings as a JSON text."""
        return json.dumps([finding.to_dict() for finding in self.findings], indent=2, default=str)

    def _look_at_model(self):
        """Reads the configuration, as soon as there are weights: TensorFlow's first step builds."""
        if not self._facts and self.model.built:
            first = model_facts(self.model)
            others = [model_facts(self.model, number) for number in range(1, first.outputs)]
            self._facts = [first, *others]

    def _period(self):
        steps, epochs = self.params.get("steps"), self.params.get("epochs") or 1
        if steps is None:
            return _UNKNOWN_PERIOD
        period = max(1, steps * epochs // _RECORDED_STEPS)
        while math.gcd(period, steps) > 1:  # or each epoch would show the same batches
            period += 1
        return period

    def _on_first_batch(self, examples):
        """Judges labels and shapes before the first step, which they may make raise."""
        self._first_batch.add_examples(examples)
        if loss_gets_targets(self.model):
            self._judge(finished=False, record=self._first_batch, before_training=True)

    def _judge(self, finished, **options):
        try:
            self._look_for_causes(finished, **options)
        except Exception as error:  # a diagnosis must never end a training run
            warnings.warn(
                f"The diagnosis was given up: {type(error).__name__}: {error}", stacklevel=2
            )

    def _look_for_causes(self, finished, record=None, before_training=False, error=None):
        self._look_at_model()
        if not self._facts:
            return  # the first step raised before there was a model
        record = record or self._record
        record.steps = self._observer.next_step - record.first_step
        probed = self._probe() if finished else None
        epochs = self.params.get("epochs") or 1
        self.evidence = [
            evidence_of(self.model, facts, record, probed, epochs, finished, number, error)
            for number, facts in enumerate(self._facts)
        ]
        self.findings = findings_of(*self.evidence, before_training=before_training)
        if finished and self.verify and self.findings:
            replay(self.model, self._record.sample(), self.findings, self._record.steps)
        if self.verbose:
            self._tell()

    def _probe(self):
        sample = self._record.sample()
        if sample is None:
            return None
        try:
            return probe(self.model, sample[0])
        except Exception:  # a model that takes its inputs in a way of its own
            return None

    def _tell(self):
        new = [finding for finding in self.findings if finding.cause not in self._told]
        if new:
            self._told |= {finding.cause for finding in new}
            print("\n" + report(new), flush=True)

    def _on_interruption(self, error):
        """A step raised: what is known by then is all there will be."""
        record = self._record if self._record.outputs else self._first_batch
        self._judge(finished=False, record=record, error=error)

    def _write(self):
        with open(os.path.join(self.log_dir, "diagnosis.json"), "w") as file:
            file.write(self.to_json())
        text = "\n\n".join(str(finding).replace("\n", "\n\n") for finding in self.findings)
        self._writer.add_text(self._observer.next_step, "diagnosis", text or "Nothing found.")
        self._writer.close()
        self._writer = None
