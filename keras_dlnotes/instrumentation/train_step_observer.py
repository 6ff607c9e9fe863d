"""Decides, step by step, whether Keras's own train function runs or its observed twin."""

import contextlib
import time
import warnings
from collections import deque
from typing import Any

import keras
import numpy as np
from keras import ops

from keras_dlnotes.backend import active
from keras_dlnotes.instrumentation.combined_rows import CombinedRows
from keras_dlnotes.instrumentation.execution_of_steps import ExecutionOfSteps
from keras_dlnotes.instrumentation.log_numbers import log_numbers
from keras_dlnotes.instrumentation.model_optimizers import (
    note_reached,
    note_step,
    train_step_number,
)
from keras_dlnotes.instrumentation.observed_step import (
    EXAMPLES,
    ROW,
    ObservedStep,
    examples_of,
    is_recordable,
)
from keras_dlnotes.instrumentation.replaced_methods import remove_all
from keras_dlnotes.instrumentation.stateful_step import StatefulStep
from keras_dlnotes.instrumentation.stateless_step import StatelessStep, single_steps
from keras_dlnotes.instrumentation.subscription import StepRecord, Subscription
from keras_dlnotes.instrumentation.watched_layers import find_watched_layers

_REMEMBERED = 512  # durations of steps, for the medians


class TrainStepObserver:
    """Takes the place of `model.train_function` while somebody subscribes to its steps.

    A step that is not due runs Keras's own train function, untouched: it costs what it always
    cost and computes the same bits. A due step runs an observed twin, compiled on its own.

    Use `TrainStepObserver.on(model)`, so that all subscribers of one model share one observer.

    Args:
        model: a compiled Keras model inside `fit`.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        # Seconds from the start of a step to that of the next, by whether it was recorded.
        self.step_seconds: dict[bool, deque] = {
            True: deque(maxlen=_REMEMBERED),
            False: deque(maxlen=_REMEMBERED),
        }
        self.recorded_steps = 0
        self._plain = model.train_function
        self._subscriptions: list[Subscription] = []
        self._pending: list[tuple] = []
        self._armed = False
        self._warned = False
        self._clock: Any = None  # (start of the last step, whether it was recorded)
        self.next_step = train_step_number(model)
        self._combined: dict[int, tuple] = {}  # by the identity of the columns, which are kept
        self._variants: dict[bool, ObservedStep] = {}  # by whether rows carry histograms
        self._execution: ExecutionOfSteps | None = None
        self._single_steps: Any = None
        self._built_for: Any = None  # what the three above were built for

    @classmethod
    def on(cls, model: keras.Model, idle: "TrainStepObserver | None" = None) -> "TrainStepObserver":
        """The observer that stands in for `model.train_function`, else `idle`, else a new one.

        Args:
            model: a compiled Keras model inside `fit`.
            idle: an observer of an earlier `fit`; what it compiled is used again.
        """
        observer = getattr(model.train_function, "__self__", None)
        if isinstance(observer, cls):
            return observer
        if idle is not None and idle.model is model:
            idle._resume()
            return idle
        return cls(model)

    def _resume(self) -> None:
        self._plain = self.model.train_function
        self._subscriptions = []  # what a `fit` that raised left
        self._pending = []
        self._armed = False
        self._clock = None
        self.recorded_steps = 0
        self.next_step = train_step_number(self.model)
        if self._execution is not None:
            self._execution.restart(self.next_step)

    @classmethod
    def remove_from(cls, model: keras.Model) -> None:
        """Takes away an observer that a `fit` ended by an exception left behind."""
        observer = getattr(model.train_function, "__self__", None)
        if isinstance(observer, cls):
            observer._interrupt()

    def subscribe(self, subscription: Subscription) -> None:
        """Starts recording for a subscriber, from the next step on."""
        watched = find_watched_layers(self.model, subscription.layers)
        if subscription.layers is not None:
            subscription.names = frozenset(w.name for w in watched)
        active.processes.meet(f"{subscription.settings()}, next step={self.next_step}")
        self._subscriptions.append(subscription)
        self.model.train_function = self.run

    def unsubscribe(self, subscription: Subscription) -> None:
        """Ends recording for a subscriber; the last one puts the train function back."""
        if subscription in self._subscriptions:
            self._subscriptions.remove(subscription)
        if not self._subscriptions:
            watched_to_the_end = self.model.train_function == self.run
            self.stop()
            if watched_to_the_end:
                with contextlib.suppress(Exception):  # a broken-off `fit` leaves nothing to read
                    note_step(self.model, self.next_step)

    def stop(self) -> None:
        """Puts back Keras's own train function."""
        note_reached(self.model, self.next_step)
        self._subscriptions = []
        if self.model.train_function == self.run:
            self.model.train_function = self._plain

    def arm(self) -> None:
        """Says that the next call of the train function belongs to the fit that is watched.

        Whoever calls it without this (another `fit` after one that raised, or a callback's own
        `train_on_batch`) gets Keras's function.
        """
        self._armed = bool(self._subscriptions)
        if self._armed and self.model.train_function != self.run:
            self._plain = self.model.train_function  # perhaps made anew in mid-fit
            self.model.train_function = self.run

    def run(self, *arguments: Any) -> Any:
        """Takes the place of `model.train_function`."""
        if not self._armed:
            note_reached(self.model, self.next_step)
            self.model.train_function = self._plain
            return self._plain(*arguments)
        self._armed = False
        try:
            arguments = self._show_first_batch(arguments)
            if self._built_for is None:
                active.train_function.build_state(self.model, arguments)
            self._forget_what_does_not_fit()
            if self.model.steps_per_execution == 1:
                return self._take_step(self._plain, arguments)
            if keras.backend.backend() == "jax":
                return self._take_steps_one_by_one(*arguments)
            return self._take_execution(*arguments)
        except active.train_function.END_OF_DATA:
            raise  # the end of an epoch
        except BaseException as error:
            active.train_function.restore_variables(self.model, arguments)
            self._interrupt(error)
            remove_all(self.model)  # theirs is below: it does not hear of an error of ours
            raise

    def _show_first_batch(self, arguments: Any) -> Any:
        """Shows the batch to who asked for it; returns arguments of the step that still hold it.

        Raises the error that one of them returned.
        """
        asking = [(s, s.first_batch) for s in self._subscriptions if s.first_batch is not None]
        if not asking or not active.train_function.can_peek(self.model, arguments):
            return arguments
        refusals: list[BaseException | None] = []
        batch, arguments = active.train_function.peek(self.model, arguments)
        with active.train_function.readable_variables(self.model, arguments):
            for subscription, show in asking:
                subscription.first_batch = None
                with contextlib.suppress(Exception):  # a batch of a form of the user's own
                    x, y, weights = keras.utils.unpack_x_y_sample_weight(batch)
                    refusals += [
                        show(examples_of(self.model, subscription.examples, x, y, weights))
                    ]
            refusal = next(filter(None, refusals), None)
            if refusal is not None:
                raise refusal  # in this scope: on JAX the variables keep their values then
        return arguments

    def _interrupt(self, error: BaseException | None = None) -> None:
        """Brings what was recorded before a step raised, and leaves the model as it was."""
        subscriptions = self._subscriptions
        for observed in self._variants.values():
            if observed.attempt is not None:
                row: tuple = (self.next_step, (), np.zeros(0), {}, time.time(), observed.attempt)
                self._pending.append(row)
                observed.attempt = None
        with contextlib.suppress(Exception):  # the step's own exception is the one to be seen
            self.deliver()
        self.stop()
        for subscription in subscriptions:
            if subscription.interrupted is not None:
                subscription.interrupted(error)

    def restart_clock(self) -> None:
        """Says that an epoch begins: the time until its first step is not that of a step."""
        self._clock = None
        note_step(self.model, self.next_step)

    def deliver(self) -> None:
        """Brings the rows that wait on the device to the subscribers."""
        pending, self._pending = self._pending, []
        records = []
        for step, columns, row, logs, wall_time, examples in pending:
            columns, values = self._as_one(columns, row)
            records.append(
                StepRecord(step, columns, values, log_numbers(logs), wall_time, examples)
            )
        if self._execution is not None:
            now = time.time()
            records += [
                StepRecord(step, columns, row, {}, now, examples)
                for step, columns, row, examples in self._execution.take_rows()
            ]
            self.next_step = self._execution.next_step
            self.recorded_steps += len(records)
        for record in records:
            for subscription in self._subscriptions:
                if subscription.due(record.step) or subscription.histograms_due(record.step):
                    subscription.receive(record)

    def _as_one(self, columns: Any, row: Any) -> Any:
        """The columns and the numbers of a row, combined where each replica has one of its own."""
        row = ops.convert_to_numpy(row)
        if row.ndim == 1:
            return columns, row
        if id(columns) not in self._combined:
            self._combined[id(columns)] = columns, CombinedRows(columns)
        _, combined = self._combined[id(columns)]
        if active.processes.is_chief(self.model) and not combined.agree(row):
            self._warn(
                "The gradients of the processes differ, so each trains a model of its own. "
                "Recorded are those of rank 0, and activations of all. Average the gradients, as "
                "DistributedDataParallel does."
            )
        return combined.columns, combined.combine(row)

    @property
    def waiting(self) -> int:
        """Number of recorded steps that have not been delivered."""
        return len(self._pending)

    def _take_step(self, plain: Any, arguments: Any) -> Any:
        step = self.next_step
        histograms = any(s.histograms_due(step) for s in self._subscriptions)
        due = histograms or any(s.due(step) for s in self._subscriptions)
        self._tick(due)
        if not due:
            result = plain(*arguments)
        else:
            observed = self._observed(histograms)
            result = observed(*arguments)
            logs = result[0] if isinstance(result, tuple) else result
            self._keep_row(observed, logs, step)
        self.next_step += 1
        return result

    def _tick(self, due: Any) -> None:
        now = time.perf_counter()
        if self._clock is not None:
            start, was_recorded = self._clock
            self.step_seconds[was_recorded].append(now - start)
        self._clock = (now, due)

    def _keep_row(self, observed: Any, logs: Any, step: int) -> None:
        key = next((k for k in logs if k.startswith(ROW)), None) if is_recordable(logs) else None
        if key is not None:
            row = logs.pop(key)
            columns = observed.layouts[key]
            examples = logs.pop(EXAMPLES, None)
            if examples is not None:
                # Now: a tensor may be a view of an array that the data set fills anew.
                examples = {k: np.array(ops.convert_to_numpy(t)) for k, t in examples.items()}
            self.recorded_steps += 1
            if active.processes.keeps_logs_apart():
                logs = active.processes.mean_logs(self.model, log_numbers(logs))
            self._pending.append((step, columns, row, dict(logs), time.time(), examples))

    def _take_steps_one_by_one(self, state: Any, iterator: Any) -> Any:
        """JAX's own loop over the steps of one execution, each step free to be observed."""
        if self._single_steps is None:
            self._single_steps = single_steps(self.model, (state, iterator))
        logs, state = self._take_step(self._single_steps, (state, iterator))
        try:
            for _ in range(self.model.steps_per_execution - 1):
                logs, state = self._take_step(self._single_steps, (state, iterator))
        except StopIteration:
            pass
        return logs, state

    def _take_execution(self, iterator: Any) -> Any:
        several = self.model.distribute_strategy.num_replicas_in_sync > 1
        if several:
            self._warn(
                "No steps are recorded with several replicas and several steps per execution, "
                "where TensorFlow allows no choice between two steps. Compile with "
                "steps_per_execution=1 to record them."
            )
        if several or not self.model.built:
            # The first execution makes the model's variables, which must not be made in a branch.
            result = self._plain(iterator)
            self.next_step = train_step_number(self.model)
            return result
        if self._execution is None:
            chosen = list(self._subscriptions)
            variants = [
                (lambda step: _any(s.due(step) for s in chosen), self._observed(False)),
            ]
            if any(s.histograms_every for s in chosen):
                with_histograms = (
                    lambda step: _any(s.histograms_due(step) for s in chosen),
                    self._observed(True),
                )
                variants.insert(0, with_histograms)
            self._execution = ExecutionOfSteps(self.model, variants, self.next_step)
        if self._execution.is_full:
            self.deliver()
        return self._execution(iterator)

    def _warn(self, text: Any) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(text, stacklevel=2)

    def _observed(self, histograms: Any) -> Any:
        if histograms not in self._variants:
            watched = [
                w
                for w in find_watched_layers(self.model)
                if any(s.watches(w.name, w.passes_on) for s in self._subscriptions)
            ]
            kind = StatelessStep if keras.backend.backend() == "jax" else StatefulStep
            examples = max(s.examples for s in self._subscriptions)
            self._variants[histograms] = kind(self.model, watched, histograms, examples)
        return self._variants[histograms]

    def _forget_what_does_not_fit(self) -> None:
        # A compiled execution of several steps holds the number of the first of them.
        several = self.model.steps_per_execution > 1
        wanted = [
            (
                s.names,
                s.passing_on,
                s.every,
                s.histograms_every,
                s.examples,
                s.first,
                several and s.start,
            )
            for s in self._subscriptions
        ]
        if self._built_for == (self._plain, wanted):
            return
        self._built_for = (self._plain, wanted)
        self._variants = {}
        self._execution = None
        self._single_steps = None


def _any(conditions: Any) -> Any:
    result = False
    for condition in conditions:
        result = ops.logical_or(result, condition)
    return result
