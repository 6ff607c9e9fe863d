"""Says in words what is wrong with a training run."""

import json
import os
import pathlib
import warnings
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import keras

from keras_dlnotes.backend import active
from keras_dlnotes.callbacks.copyable_callback import CopyableCallback
from keras_dlnotes.callbacks.early_looks import EarlyLooks, recording_period
from keras_dlnotes.callbacks.notebook_view import diagnosis_html
from keras_dlnotes.callbacks.report_writer import ReportWriter
from keras_dlnotes.diagnosis import (
    DiagnosisError,
    Explanation,
    Findings,
    RunRecord,
    answer_of,
    evidence_of,
    findings_of,
    forecast,
    learning_rate_of,
    looked_at,
    loss_gets_targets,
    model_facts,
)
from keras_dlnotes.diagnosis.findings import DiagnosisPrinter
from keras_dlnotes.instrumentation import Subscription, TrainStepObserver, log_numbers
from keras_dlnotes.remedies import Repair
from keras_dlnotes.remedies.try_remedies import repaired, replay
from keras_dlnotes.summaries.whole_file import whole_file

_ACTIONS = ("warn", "stop", "raise", "repair")
_FIRST_STEPS = 32  # all recorded: what makes a NaN mostly does so when it is first met
_EXAMPLES = 64  # of each recorded step's batch
_ROWS_PER_DELIVERY = 16


class Diagnosis(CopyableCallback):
    r"""Watches `fit` and says what is wrong, why, and what to do, or that nothing was found.

    Use it on every run whose failure you would like to hear of: it costs about as much as
    `TrainingMonitor` at its default settings, and both together measure a step only once.

    The first 32 steps and about a hundred over the run are measured from inside, with some examples
    of their batches. When `fit` ends the model predicts a sample of its own training examples, and
    what it has learned is compared with what there was to learn: with \(R(p) = 1 - \sum
    \|t - p\|^2 / \sum \|t - \bar t\|^2\) the skill of predictions \(p\) for targets \(t\), the
    run has gone wrong if

    \[R(p_{network}) < 0.8 \, R(p_{yardstick})\]

    where the yardstick is kernel ridge regression, which predicts each example from all others in
    closed form. The rules (`keras_dlnotes.diagnosis.rules.RULES`) then look for the cause.

    It also looks at about ten moments of the run. Faults that need no such comparison (a loss that
    does not fit the output, NaN) are told as soon as seen, other causes when a sequential test
    says, with an error rate of 1 %, that the run will not have learned; for its assumption see
    `keras_dlnotes.diagnosis.forecast`.

    Args:
        action: what to do with a finding: `"warn"` prints it; `"stop"` also ends training, within
            an epoch, when something is found before the run is over; `"raise"` likewise, and
            raises `keras_dlnotes.diagnosis.DiagnosisError`, before the first step where the first
            batch shows what is wrong (in a single process); `"repair"` repairs a copy when the run
            is over, on the examples that were sampled, see `keras_dlnotes.repair`.
        log_dir: also write the findings to this folder: as text for TensorBoard, for its layers
            tab, which shows them at their layer and step, and as `diagnosis.json`. A second run
            writes to `run_2` in it, see `TrainingMonitor`.
        verify: replay a short run on a copy of the model with each remedy that can be applied
            automatically, and report the measured gain. Takes at most 300 steps for each, and as
            many for the comparison.
        verbose: whether findings are printed: what is sure before the end as soon as it is seen,
            and at the end all of them in one list, or that nothing was found and what was looked
            at. With `"raise"` they are the error's text instead.

    Attributes:
        findings: list of `Finding`, the most likely cause first; it prints as a report.
        evidence: list of the last run's `Evidence`, in plain numbers, one an output of the model.
        told: dict from each cause to the number of steps after which it was first found.
        repair: with `action="repair"`, the `Repair` of what was found; None without a finding.

    Raises:
        ValueError: if `action` is none of the four.
        OSError: when `fit` starts, if no file can be made in `log_dir`. What cannot be written
            later gives one warning.

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

    of_a_fit = ("_observer", "_subscription")

    def __init__(
        self,
        action: Literal["warn", "stop", "raise", "repair"] = "warn",
        log_dir: str | os.PathLike[str] | None = None,
        verify: bool = False,
        verbose: bool = True,
    ) -> None:
        super().__init__()
        if action not in _ACTIONS:
            raise ValueError(
                f"`action` must be one of {_ACTIONS}. Received: action={action!r}. Pass 'warn' to "
                "be told, 'stop' to end hopeless runs, 'raise' to make them fail, 'repair' to get "
                "a repaired copy."
            )
        self.action = action
        self.log_dir = log_dir
        self.verify = verify
        self.verbose = verbose
        self.findings = Findings()
        self.evidence: list[Any] = []
        self.repair: Repair | None = None
        self.told: dict[str, int] = {}
        self._observer: Any = None
        self._subscription: Any = None
        self._report = ReportWriter("diagnosis")

    def __str__(self) -> str:
        return str(self.findings)

    def _repr_html_(self) -> str:
        """What a notebook shows of it: what was found."""
        return diagnosis_html(self.findings, self.evidence)

    def set_model(self, model: keras.Model) -> None:
        """Attaches to the model and removes the observer left by a `fit` that raised."""
        super().set_model(model)
        TrainStepObserver.remove_from(model)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Forgets what was found in an earlier `fit`."""
        self.findings = Findings()
        self.evidence, self.told, self.repair = [], {}, None
        self._printer = DiagnosisPrinter()
        self._facts: list[Any] = []  # one an output
        self._unreadable = False
        self._subscription, self._ended = None, False  # ended by what was found
        self._report.close()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Starts to observe, and starts the clock anew: what lies between epochs is no step."""
        if self._subscription is None:
            self._begin(epoch)
        self._looks.begin_epoch(self._taken)
        self._observer.restart_clock()

    def _begin(self, epoch):
        # When the first epoch begins, the optimizer and the number of its step are restored.
        # What cannot be written to is told before training.
        self._report.open(self, self.log_dir, epoch)
        self._look_at_model()
        self._observer = TrainStepObserver.on(self.model, idle=self._observer)
        steps, start = self.params.get("steps"), self._observer.next_step
        period = recording_period(steps, self.params.get("epochs") or 1)
        self._record = RunRecord(steps, start, period)
        self._first_batch = RunRecord(first_step=start)
        epochs = (self.params.get("epochs") or 1) - epoch
        self._looks = EarlyLooks(epochs, steps, learning_rate_of(self.model))
        self._record.planned_steps = self._looks.planned_steps
        self._subscription = Subscription(
            self._record.add,
            period,
            first=_FIRST_STEPS,
            start=start,
            interrupted=self._on_interruption,
            examples=_EXAMPLES,
            first_batch=self._on_first_batch,
            steps_per_epoch=steps,
        )
        self._observer.subscribe(self._subscription)

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Lets the next step be observed, and now and then fetches what was recorded."""
        self._look_at_model()
        if self._observer.waiting >= _ROWS_PER_DELIVERY:
            self._observer.deliver()
        self._observer.arm()

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Looks at a few moments of the run for what is sure already."""
        if self._looks.due(batch):
            self._observer.deliver()
            active.train_function.sync_variables(self.model)
            self._looks.note_rate(learning_rate_of(self.model))
            self._check()

    def on_test_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Takes note of how many examples the epoch had, before validation counts its own."""
        active.processes.note_trained(self.model)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Looks after 1, 2, 4, 8, ... epochs for what is sure already."""
        self._observer.deliver()
        logs = active.processes.mean_logs(self.model, log_numbers(logs))
        self._record.add_epoch(logs, learning_rate_of(self.model))
        if self._looks.due_after_epoch(self._taken):
            self._record.planned_steps = self._looks.planned_steps
            self._check()

    @property
    def _taken(self):
        return self._observer.next_step - self._record.first_step

    def _check(self):
        if self._ended:
            return  # the epoch ends because of what was found
        self._judge(finished=False)
        self._agree()
        over = self._taken == self._looks.planned_steps  # then there is nothing left to end
        if self.findings and self.action in ("stop", "raise") and not over:
            self._ended = self.model.stop_training = True

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Judges the run and puts everything back."""
        if self._subscription is None:
            return  # there was no epoch
        self._observer.deliver()
        self._observer.unsubscribe(self._subscription)
        if not self._ended:
            self._judge(finished=True)
            self._agree()
        else:
            self._end_early()
        self._write()
        if self.findings and self.action == "repair":
            self._repair()
        if self.findings and self.action == "raise":
            raise DiagnosisError(self.findings)

    def explain(self, n: int) -> Explanation:
        """What a finding rests on, in full, as text and as a figure.

        Args:
            n: number of the finding as printed, from 1; see `Findings.explain`.
        """
        return self.findings.explain(n)

    def to_json(self) -> str:
        """The findings as a JSON text."""
        return json.dumps([finding.to_dict() for finding in self.findings], indent=2, default=str)

    def _look_at_model(self):
        """Reads the configuration, as soon as there are weights: TensorFlow's first step builds."""
        if self._facts or self._unreadable or not self.model.built:
            return
        try:
            first = model_facts(self.model)
            self._facts = [first, *(model_facts(self.model, n) for n in range(1, first.outputs))]
        except Exception as error:  # a diagnosis must never end a training run
            self._unreadable = True
            _warn_of(error)

    def _on_first_batch(self, examples):
        """Judges labels and shapes before the first step, which they may make raise."""
        self._first_batch.add_examples(examples)
        if loss_gets_targets(self.model):
            self._judge(finished=False, record=self._first_batch, before_training=True)
        # One process of several must not end alone: they end when all have seen what is wrong.
        ends = self.action == "raise" and active.processes.is_alone(self.model)
        return DiagnosisError(self.findings) if self.findings and ends else None

    def _agree(self):
        """Takes over what the chief has found, so that all processes stop or raise together."""
        found, seen = active.processes.from_chief((list(self.findings), self.findings.looked_at))
        self.findings = Findings(found, seen, self.evidence)

    def _judge(self, finished, **options):
        self._attempt(lambda: self._look_for_causes(finished, **options))

    def _attempt(self, work):
        try:
            if active.processes.judges(self.model):
                work()
        except Exception as error:  # a diagnosis must never end a training run
            _warn_of(error)
            self.findings = Findings(self.findings, None, self.evidence)

    def _look_for_causes(self, finished, record=None, before_training=False, error=None):
        self._look_at_model()
        if not self._facts:
            return  # the first step raised before there was a model
        record = record or self._record
        record.steps = self._observer.next_step - record.first_step
        probed = self._probe() if finished else None
        self.evidence = self._evidence(record, probed, finished, error)
        if record is self._record and not finished and error is None:
            self._foresee()
            if not loss_gets_targets(self.model):  # nobody knows what the loss is given
                self.evidence = [replace(evidence, labels=None) for evidence in self.evidence]
        found = findings_of(*self.evidence, before_training=before_training)
        self.findings = Findings(found, looked_at(self.evidence), self.evidence)
        if finished and self.verify:
            self._replay()
        # An error that is raised at the end has the report as its text; one of a step has not.
        if self._prints() and not (found and self.action == "raise" and error is None):
            if finished:
                self._printer.print_all(self.findings)
            else:
                self._printer.print_new(self.findings, self.evidence, self._record.planned_steps)
        new = (finding.cause for finding in self.findings if finding.cause not in self.told)
        self.told |= dict.fromkeys(new, self._record.steps)

    def _prints(self):
        return self.verbose and active.processes.is_chief(self.model)

    def _end_early(self):
        if self.verify:
            self._attempt(self._replay)
        if self._prints() and self.action == "stop":
            self._printer.print_stopped(self._taken, self.findings, self.verify)

    def _replay(self):
        if self.findings:
            record = self._record
            replay(self.model, record.sample(), self.findings, record.steps, silent_diagnosis)

    def _repair(self):
        record, epochs = self._record, self.params.get("epochs")
        asked = (self.findings, record.steps, epochs, silent_diagnosis, self.verbose)
        self.repair = repaired(self.model, record, *asked)

    def _evidence(self, record, probed, finished, error=None):
        epochs = self.params.get("epochs") or 1
        return [
            evidence_of(self.model, facts, record, probed, epochs, finished, number, error)
            for number, facts in enumerate(self._facts)
        ]

    def _foresee(self):
        """Asks whether the run will have learned, and the model only where that is in doubt."""
        rates = self._looks.known_rates(self.model)
        doubted = [replace(evidence, rates=rates) for evidence in self.evidence]
        if not any(forecast(evidence, highest=True) for evidence in doubted):
            return
        if (probed := self._probe()) is None:
            return
        asked = self._evidence(self._record, probed, finished=False)
        asked = [replace(evidence, rates=rates) for evidence in asked]
        foreseen = [replace(evidence, hopeless=forecast(evidence)) for evidence in asked]
        if any(evidence.hopeless for evidence in foreseen):
            self.evidence = foreseen

    def _probe(self):
        sample = self._record.sample()
        return None if sample is None else answer_of(self.model, sample[0])

    def _on_interruption(self, error):
        """A step raised: what is known by then is all there will be."""
        if not isinstance(error, DiagnosisError):
            record = self._record if self._record.outputs else self._first_batch
            self._judge(finished=False, record=record, error=error)
        self.findings = Findings(self.findings, None, self.evidence)
        self._write()

    def _write(self):
        if self.log_dir is None or not active.processes.is_chief(self.model):
            return
        text = "\n\n".join(one.in_full().replace("\n", "\n\n") for one in self.findings)
        found = [finding.to_dict() for finding in self.findings]
        self._report.add_findings(self._observer.next_step, found)
        self._report.text(self._observer.next_step, "diagnosis", text or str(self.findings))
        try:
            with whole_file(os.path.join(self._report.folder, "diagnosis.json")) as unfinished:
                pathlib.Path(unfinished).write_text(self.to_json())
        except OSError as error:
            self._report.fail(error)
        self._report.close()


def _warn_of(error):
    warnings.warn(f"The diagnosis was given up: {type(error).__name__}: {error}", stacklevel=3)


silent_diagnosis = partial(Diagnosis, verbose=False)  # of a short run
