"""All that is known of a run, in plain numbers: what the rules judge."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from keras_dlnotes.diagnosis.facts import Forecast, LabelFacts, Leak, ModelFacts, RareClass
from keras_dlnotes.diagnosis.non_finite_trace import Origin
from keras_dlnotes.measures import Skill

# A run has learned when its skill reaches this share of the yardstick's, and has failed when it
# stays below the lower one. In between it is poor. Where there was much to learn, a share below
# the highest one is reason enough to believe what the configuration alone makes likely.
LEARNED_SHARE = 0.8
FAILED_SHARE = 0.3
WELL_LEARNED_SHARE = 0.92
EASY_REFERENCE = 0.7
# Skill that needs no yardstick: nine tenths of what there was to explain are explained.
GOOD_SKILL = 0.9
# Less than this share of their size is too little for weights to have gone anywhere.
LITTLE_MOVED = 0.1
# Below this skill the yardstick itself has learned nothing that it could be a measure of.
LEAST_REFERENCE = 0.15
# A normal variable is above so many standard deviations in 5 % of the cases.
ONE_SIDED = 1.645


@dataclass(frozen=True)
class Evidence:
    """All that is known of a run; what else becomes known of it makes a new one (`replace`).

    Args:
        model: `ModelFacts`.
        inputs: matrix of the sampled examples' inputs, one row an example, flattened; None if
            there are none, or if they are no numbers.
        labels: `LabelFacts`, or None.
        prediction_shape: shape of one example's prediction.
        input_shape: shape of one example's input, where the model has one; else empty.
        predictions: matrix of the predictions for the sample, flattened.
        skill: `Skill` of these predictions, or of those of the training pass if they are better.
        skill_examples: number of the examples that it was measured on; None if there is no skill.
        inference_skill: `Skill` of the predictions outside training.
        training_skill: `Skill` of the predictions of the training pass, of the last steps that were
            recorded; None if it is not known.
        most_frequent: share of the most frequent class in the sample; None without classes.
        reference: `Skill` of the yardstick, see `kernel_ridge`; None if it cannot be had.
        reconstructs: whether the targets are the inputs; the yardstick is then what as many
            principal components explain as the narrowest hidden layer has units.
        linear_reference: likewise of ridge regression, which is the best a linear model can do.
        loss_steps: train steps at which `losses` end.
        losses: training loss between recorded steps.
        epoch_losses: the epochs' training loss as `fit` reports it.
        validation_losses: likewise for validation data.
        epoch_metrics: dict from a metric's name, `val_` ones as well, to its values by epoch.
        epochs: epochs that were asked for.
        steps_per_epoch: number of steps of an epoch.
        batch_size: number of examples of a batch.
        optimizer_status: what a second-order optimizer says of itself at the end; None of others.
        steps: number of steps that were taken.
        statistics: dict from a tag of the monitor to its values at `statistic_steps`.
        statistic_steps: the recorded steps.
        units: dict from a layer's name to `UnitFacts`, after training.
        normalizations: likewise to `NormalizationFacts`, of batch normalization.
        unmasked: dict from the names of recurrent layers that read a text without a mask to the
            mean share of it that they read last and that is 0: behind its last word, or before its
            first if the layer goes backwards, or the smaller one if it goes both ways.
        rarest: `RareClass`; None without classes.
        leak: `Leak`, or None.
        augmented_reference: as `reference`, of inputs as a layer changes them at random; known only
            where the run went wrong.
        augmentation: name of that layer, the one with the lowest.
        learning_rates: by epoch.
        penalty: share of the final loss that is penalties on weights.
        batch_classes: mean number of different classes in a batch over that in a shuffled one.
        trained_symmetric: names of layers whose units are still identical after training.
        constant_prediction_loss: the loss of the best constant prediction; None if unknown.
        finished: whether the run is over.
        inputs_scaled_to: root mean square of the inputs as the model scales them before its first
            kernel; None if that is not known.
        non_finite_inputs: numbers among the inputs that were seen and are not finite.
        non_finite_targets: likewise among the targets.
        weighted: whether some examples count more than others in the loss.
        missing_classes: classes without an example; known only where all labels were seen.
        origin: `Origin` of the first number of the run that is not finite; None without.
        non_numeric: pairs of "inputs" or "targets" and a dtype that is not one of numbers.
        error: type and text of the error that a train step raised; None if none did.
        planned_steps: steps of the whole run, of one that is not over; None if unknown.
        batch_skills: list of `BatchSkill` of the recorded steps, as far as they were judged.
        rates: pairs of steps taken and the learning rate, as far as it is known; empty where it may
            still rise.
        hopeless: the `Forecast` that the run, which is not over, will not have learned; None
            without.
    """

    model: ModelFacts
    inputs: np.ndarray | None = None
    labels: LabelFacts | None = None
    prediction_shape: tuple = ()
    input_shape: tuple = ()
    predictions: np.ndarray | None = None
    skill: Skill | None = None
    skill_examples: int | None = None
    inference_skill: Skill | None = None
    training_skill: Skill | None = None
    most_frequent: float | None = None
    reference: Skill | None = None
    reconstructs: bool = False
    linear_reference: Skill | None = None
    loss_steps: list = field(default_factory=list)
    losses: list = field(default_factory=list)
    epoch_losses: list = field(default_factory=list)
    validation_losses: list = field(default_factory=list)
    epoch_metrics: dict = field(default_factory=dict)
    epochs: int = 0
    steps_per_epoch: int | None = None
    batch_size: int | None = None
    optimizer_status: str | None = None
    steps: int = 0
    statistics: dict = field(default_factory=dict)
    statistic_steps: list = field(default_factory=list)
    units: dict = field(default_factory=dict)
    normalizations: dict = field(default_factory=dict)
    unmasked: dict = field(default_factory=dict)
    rarest: RareClass | None = None
    leak: Leak | None = None
    augmented_reference: Skill | None = None
    augmentation: str | None = None
    learning_rates: list = field(default_factory=list)
    penalty: float | None = None
    batch_classes: float | None = None
    trained_symmetric: tuple = ()
    constant_prediction_loss: float | None = None
    finished: bool = True
    inputs_scaled_to: float | None = None
    non_finite_inputs: int = 0
    non_finite_targets: int = 0
    weighted: bool = False
    missing_classes: int = 0
    origin: Origin | None = None
    non_numeric: tuple = ()
    error: str | None = None
    planned_steps: int | None = None
    batch_skills: list = field(default_factory=list)
    rates: tuple = ()
    hopeless: Forecast | None = None

    @property
    def channels(self) -> int:
        """How many numbers are predicted for each position of an output with many."""
        shape = self.prediction_shape
        return 1 if self.input_shape[:-1] == shape else shape[-1]

    @cached_property
    def share(self) -> float | None:
        """The skill as a share of the yardstick's; None if there is none."""
        return max((value / reference for value, reference, _ in self._compared), default=None)

    @property
    def _compared(self) -> list[tuple[float, float, bool]]:
        """Skill, the yardstick's and whether by accuracy, where the yardstick has learned."""
        if self.skill is None or self.reference is None:
            return []
        return [
            (value, reference, by_class)
            for value, reference, by_class in (
                (self.skill.variance, self.reference.variance, False),
                (self.skill.accuracy, self.reference.accuracy, True),
            )
            if value is not None and reference is not None and reference >= LEAST_REFERENCE
        ]

    @cached_property
    def outcome(self) -> str:
        """One of "learned", "poor", "failed", "flat" (no skill, no yardstick) and "unknown"."""
        if self.losses and not np.isfinite(self.losses[-1]):
            return "failed"
        if self.skill is None:
            return "unknown"
        if self.skill.best >= GOOD_SKILL:
            return "learned"
        if self.share is None:
            # Without a yardstick only a skill that is hardly one at all tells something.
            return "unknown" if self.skill.best > 0.02 else "flat"
        if self.share < FAILED_SHARE:
            return "failed"
        return "poor" if self.share < LEARNED_SHARE else "learned"

    @cached_property
    def surely_poor(self) -> bool:
        r"""Whether the share is below what counts as learned by more than the sampling error.

        With \(n\) examples, the accuracy \(a\) and that of the most frequent class \(a_0\), the
        standard error of the skill by accuracy is \(\sqrt{a (1 - a) / n} / (1 - a_0)\); that of a
        skill \(R\) by squared error is, for many examples, \(2 \sqrt{R} (1 - R) / \sqrt{n}\). A
        share counts as below only if the skill plus 1.645 standard errors is: a one-sided 95 %
        confidence bound.
        """
        count, chance = self.skill_examples, self.most_frequent
        if count is None:
            return False
        shares = []
        for value, reference, by_class in self._compared:
            size = min(max(value, 0.0), 1.0)
            error = 2.0 * np.sqrt(size) * (1.0 - size) / np.sqrt(count)
            if by_class and chance is not None:
                hits = chance + size * (1.0 - chance)
                error = np.sqrt(hits * (1.0 - hits) / count) / max(1.0 - chance, 1e-6)
            shares.append((value + ONE_SIDED * error) / reference)
        return bool(shares) and max(shares) < LEARNED_SHARE

    @property
    def poor_is_wrong(self) -> bool:
        """Whether more can be asked for: not of a bottleneck, nor of one output among several."""
        return self.model.outputs == 1 and not self.reconstructs

    @property
    def went_wrong(self) -> bool:
        """Whether the run has learned clearly less than there was to learn."""
        over = self.finished or self.hopeless is not None
        over |= not np.isfinite(self.losses[-1:]).all()
        if self.outcome == "poor":
            return over and self.poor_is_wrong
        return over and self.outcome in ("failed", "flat")

    @property
    def could_be_better(self) -> bool:
        """Whether the run went wrong, or learned, but less than the data make easy."""
        if self.went_wrong:
            return True
        good = self.skill is not None and self.skill.best >= GOOD_SKILL
        if not self.finished or self.share is None or good or self.reference is None:
            return False
        if not self.poor_is_wrong:
            return False
        return self.share < WELL_LEARNED_SHARE and self.reference.best >= EASY_REFERENCE

    @property
    def hardly_learned(self) -> bool:
        """Whether a run that is over has little skill, and no yardstick says that it could have."""
        if self.skill is None or self.outcome != "unknown":
            return False
        return self.finished and self.skill.best < LEAST_REFERENCE

    @cached_property
    def still_falling(self) -> float:
        """Share of the whole fall of the loss that happened in the last quarter of the run."""
        losses = np.asarray(self.losses or self.epoch_losses, dtype="float64")
        if len(losses) < 4 or not np.isfinite(losses).all():
            return 0.0
        parts = [part.mean() for part in np.array_split(losses, min(len(losses), 8))]
        fall = parts[0] - parts[-1]
        quarter = max(len(parts) // 4, 1)
        return min(float((parts[-1 - quarter] - parts[-1]) / fall), 1.0) if fall > 0 else 0.0

    @cached_property
    def update_ratio(self) -> float | None:
        """Median over the kernels of how much a late step changes one; None if unknown."""
        tags = [f"updates/{layer.weights_path}/ratio" for layer in self.model.layers]
        medians = [median for tag in tags if (median := self.median_of(tag)) is not None]
        return float(np.median(medians)) if medians else None

    @property
    def hardly_moved(self) -> bool:
        """Whether all updates together, had they all pointed one way, moved the weights little.

        Of a run that is not over, those that are still planned are taken to be of the same size.
        """
        steps = max(self.steps, self.planned_steps or 0)
        return self.update_ratio is not None and self.update_ratio * steps < LITTLE_MOVED

    def median_of(self, tag: str, last: float = 0.5) -> float | None:
        """Median of a statistic over the last part of the recorded steps; None if unknown."""
        values = np.asarray(self.statistics.get(tag, ()), dtype="float64")
        values = values[int(len(values) * (1 - last)) :]
        values = values[np.isfinite(values)]
        return float(np.median(values)) if values.size else None
