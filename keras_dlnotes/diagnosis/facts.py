"""What is known of the model, the labels and the units, in plain numbers."""

from dataclasses import dataclass, field

from keras_dlnotes.measures import Skill


@dataclass(frozen=True)
class LayerFacts:
    """What the configuration of a layer says, and its kernel before training.

    Args:
        name: the layer's name in the statistics' tags.
        kind: its class's name.
        activation: name of its activation function; None where it has none.
        units: size of the last axis of its output; None where unknown.
        numbers: how many numbers it makes of an example; None where unknown.
        bypassed: whether some of what reaches the outputs need not pass it, or that is unknown.
        gate: whether its outputs are multiplied with others before any layer reads them.
        has_kernel: whether it multiplies its input with trainable or frozen weights.
        trainable: whether it is trained.
        rate: the rate of a dropout.
        identical_units: whether all units have the same weights at the start.
        is_output: whether its output is the model's.
        weights_path: path of its kernel, as in the tags of gradients and updates.
        gain: standard deviation of the kernel at the start times the root of its inputs; if that
            is below 1, the larger of it and the same by Xavier's mean of inputs and outputs, but
            at most 1.
        bias: mean of its biases at the start; None without.
        recurrent: whether it is recurrent.
        penalized: whether it has a weight penalty.
        penalized_outputs: whether it has a penalty on its outputs.
        initializer: class name of its kernel's initializer.
        as_drawn: whether its weights look as its initializers make them; asked of frozen layers.
        embeddings_path: path of its table of embeddings, as in the tags of gradients and updates.
    """

    name: str
    kind: str
    activation: str | None = None
    units: int | None = None
    has_kernel: bool = False
    trainable: bool = True
    rate: float = 0.0
    identical_units: bool = False
    is_output: bool = False
    weights_path: str | None = None
    gain: float | None = None
    bias: float | None = None
    recurrent: bool = False
    penalized: bool = False
    penalized_outputs: bool = False
    initializer: str | None = None
    numbers: int | None = None
    bypassed: bool = False
    gate: bool = False
    as_drawn: bool = True
    embeddings_path: str | None = None

    @property
    def starts_as_he(self) -> bool:
        """Whether the kernel started with He's scale (1.41), whoever made it."""
        return self._starts_as("He", 1.2, 1.7)

    @property
    def starts_as_xavier(self) -> bool:
        """Whether the kernel started with Xavier's scale (1), whoever made it."""
        return self._starts_as(("Xavier", "Glorot", "Lecun"), 0.8, 1.2)

    def _starts_as(self, names: str | tuple[str, ...], low: float, high: float) -> bool:
        named = (self.initializer or "").startswith(names)
        return named or (self.gain is not None and low <= self.gain <= high)


@dataclass(frozen=True)
class ModelFacts:
    """What the compiled model's configuration says, as far as it concerns one output.

    Args:
        layers: list of `LayerFacts` in the model's order.
        output_activation: what the last layer applies: "linear" for nothing, None if unknown.
        output_layer: name of that layer, if it is known.
        squashed_before: "softmax" or "sigmoid" if that is applied to what the output's own softmax
            or sigmoid is applied to, with no weights in between.
        outputs: number of outputs.
        output_shape: shape of one example's output; empty if unknown.
        loss: the loss's name as in `keras.losses`, such as "binary_crossentropy"; None if it is
            not Keras's own.
        from_logits: whether the loss expects logits.
        ignored_label: the class number that the loss leaves out, if there is one.
        exact_shapes: whether the loss is a class of the user's own, to which Keras gives targets
            and predictions as they are; for all others it drops or adds a last axis of size 1.
        metrics: list of the metrics' names.
        optimizer: class name in lower case of the optimizer, of a subclass the one of Keras or of
            this package that it is made from.
        optimizer_name: how the optimizer's class is called, such as "keras.optimizers.SGD".
        learning_rate: at the start; None where the optimizer takes none.
        momentum: the optimizer's, 0 where it has none.
        trainable_weights: number of trainable numbers.
        normalizes_inputs: whether a layer before the first kernel scales the inputs.
        takes_tokens: whether the first layer is an embedding.
        half_precision: whether a layer computes in float16.
        loss_scaling: whether the loss is multiplied by a factor that gradients are divided by.
        loss_reduction: how the losses of a batch are made one, such as "sum"; None if unknown.
        clipping: name and value of the optimizer's limit of the gradients; None without.
        weight_decay: the optimizer's, 0 where it has none.
        only_layers: whether layers are all there is between inputs and outputs, so that no
            activation hides in a function.
    """

    layers: list
    output_activation: str | None = None
    output_layer: str | None = None
    squashed_before: str | None = None
    outputs: int = 1
    output_shape: tuple = ()
    loss: str | None = None
    from_logits: bool = False
    ignored_label: int | None = None
    exact_shapes: bool = False
    metrics: list = field(default_factory=list)
    optimizer: str = ""
    optimizer_name: str = ""
    learning_rate: float | None = None
    momentum: float = 0.0
    trainable_weights: int = 1
    normalizes_inputs: bool = False
    takes_tokens: bool = False
    half_precision: bool = False
    loss_scaling: bool = False
    loss_reduction: str | None = None
    clipping: tuple | None = None
    weight_decay: float = 0.0
    only_layers: bool = True

    @property
    def hidden(self) -> list[LayerFacts]:
        """The layers with a kernel before the output."""
        return [layer for layer in self.layers if layer.has_kernel and not layer.is_output]


@dataclass(frozen=True)
class LabelFacts:
    """What the targets look like.

    Args:
        kind: "binary" (0 and 1), "signed" (-1 and 1), "one_hot", "multi_hot", "shares" (rows that
            add up to 1), "integers" (few different whole numbers), "real" or "constant".
        classes: number of different classes seen.
        low: the smallest number.
        high: the largest number.
        shape: shape of one example's target.
        mean: mean of all numbers.
        deviation: standard deviation of all numbers.
        whole: whether all are whole numbers.
    """

    kind: str
    classes: int
    low: float
    high: float
    shape: tuple
    mean: float
    deviation: float
    whole: bool = False

    @property
    def numbered_classes(self) -> bool:
        """Whether each example has one whole number that may be that of its class."""
        return self.kind == "integers" and self.shape in ((), (1,))


@dataclass(frozen=True)
class UnitFacts:
    """How the units of one layer answer to the sample of inputs after training.

    Args:
        dead: share of units that are 0 for every example.
        saturated: share of outputs where the activation function is flat; None if it never is.
        constant: share of units with the same output for every example.
        deviation: standard deviation of all outputs.
        non_finite: whether an output is not finite.
        units: number of units.
        read: whether a layer, or the model's output, is given the outputs as they are.
    """

    dead: float
    saturated: float | None
    constant: float
    deviation: float
    non_finite: bool = False
    units: int = 8
    read: bool = True


@dataclass(frozen=True)
class NormalizationFacts:
    """What batch normalization is given outside training, beside its running statistics.

    Args:
        spread: typical standard deviation of a feature over that which the statistics say.
        offset: typical distance of a feature's mean from theirs, in their standard deviations.
        untouched: whether they still are 0 and 1.
    """

    spread: float
    offset: float
    untouched: bool = False


@dataclass(frozen=True)
class RareClass:
    """The class with the fewest examples among those that recorded steps have shown.

    Args:
        share: of all examples that were seen.
        seen: how many examples it had.
        hits: for how many of them the training pass predicted it.
        classes: how many different classes were seen.
        label: its number.
    """

    share: float
    seen: int
    hits: int
    classes: int
    label: int | None = None


@dataclass(frozen=True)
class Leak:
    """A column of a table among the inputs that the target is a function of.

    Args:
        input: number of the input.
        column: number of its column.
    """

    input: int
    column: int


@dataclass(frozen=True)
class Forecast:
    """Why a run is expected to end with less than there is to learn.

    Args:
        steps: steps that were taken.
        planned: steps of the whole run.
        skill: mean skill of the last batches.
        least: the skill that a run which learns would have by now.
        goal: the skill that counts as learned at the end.
        error_rate: at most how likely it is that a run which learns gives such batches.
    """

    steps: int
    planned: int
    skill: float
    least: float
    goal: float
    error_rate: float


@dataclass(frozen=True)
class BatchSkill:
    """What one batch says of what was learned so far, in the training pass.

    Args:
        taken: steps taken with it.
        skill: `Skill` of the predictions, beside the best constant for the whole sample.
        error: standard error of the skill's accuracy; 0 where it has none.
    """

    taken: int
    skill: Skill
    error: float = 0.0
