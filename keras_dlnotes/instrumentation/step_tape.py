"""What one run (or trace) of a train step leaves behind: layer outputs, gradients, weights."""

import functools
from dataclasses import dataclass

import keras
from keras import ops, tree

from keras_dlnotes.backend import active
from keras_dlnotes.measures import (
    ACTIVATION_STATISTICS,
    GRADIENT_STATISTICS,
    TensorReductions,
    histogram,
    norm,
    saturated_fraction,
)

# Of a tensor of which each replica has a part: how many elements its part has.
ELEMENT_COUNT = "element_count"


@dataclass(frozen=True)
class MeasuredTensor:
    """Which tensor of the network a number was measured on.

    Args:
        layer: name of the layer, the path through the model where it is nested.
        type: name of the layer's class.
        variable: name of the layer's variable; None for its output.
        call: number of the layer's call within the step.
        output: number of the call's output.
        passes_on: whether the layer has neither weights nor an activation of its own.
    """

    layer: str
    type: str
    variable: str | None = None
    call: int = 1
    output: int = 1
    passes_on: bool = False

    @property
    def row(self):
        """What a file of layer statistics says of it."""
        row = {"layer": self.layer, "type": self.type}
        if self.variable is not None:
            row["variable"] = self.variable
        return row | {k: n for k, n in (("call", self.call), ("output", self.output)) if n > 1}


@dataclass(frozen=True)
class Column:
    """What one number, or one histogram, of a recorded row means."""

    section: str
    name: str
    statistic: str
    width: int = 1
    layer: str | None = None  # of an activation: the watched layer's name
    origin: MeasuredTensor | None = None

    @property
    def tag(self):
        """`activations/<layer>/<statistic>`: the name under which TensorBoard shows it."""
        return f"{self.section}/{self.name}/{self.statistic}"


class StepTape:
    """Collects tensors while a train step runs, and packs their statistics into rows.

    Args:
        histograms: whether rows carry a histogram of each tensor as well.
        names: function from a variable to its `MeasuredTensor` and its name in tags.
        several: whether the step is one of several replicas', whose rows are combined later.
        known: dict in which all tapes of a step share names and columns. To make them anew takes
            an eager step longer than to measure small tensors.
    """

    def __init__(self, histograms, names, several, known):
        self.histograms = histograms
        self._known = known
        self._several = several
        self._names = names
        self.columns = []
        self._parts = []
        self._outputs = []  # (watched layer, its output tensors), since the last packing
        self._uses = {}

    def add_outputs(self, watched, outputs):
        """Takes what one call of a watched layer returned."""
        tensors = [t for t in tree.flatten(outputs) if _can_be_measured(t)]
        if tensors:
            self._outputs.append((watched, tensors))

    def pack_activations(self, reference):
        """Measures the activations taken since the last call.

        Args:
            reference: the model's inputs and outputs, nested, to tell tensors of the step from
                those of a trace inside it, which are left out.

        Returns:
            The statistics as one vector (None where there is nothing to measure) and its columns.
        """
        reference = [t for t in tree.flatten(reference) if t is not None]
        taken = [
            entry
            for entry in self._named_outputs()
            if active.reductions.belongs_to_step(entry[1], reference)
        ]
        if not taken:
            return None, []
        names, tensors, watched_layers, origins = map(list, zip(*taken, strict=True))
        layers = [watched.name for watched in watched_layers]
        reductions = TensorReductions(tensors)
        statistics = ACTIVATION_STATISTICS
        if self._several:
            statistics = statistics | {ELEMENT_COUNT: lambda reductions: reductions.counts}
        # Moments first: the norm then follows from them without another pass over the tensor.
        parts = [function(reductions) for function in statistics.values()]
        ranges = {i: w.saturation for i, w in enumerate(watched_layers) if w.saturation}
        if ranges:
            parts.append(saturated_fraction(reductions, ranges))
        widths = []
        if self.histograms:
            extremes = _common_extremes(reductions) if self._several else None
            widths = _append_histograms(parts, tensors, extremes)

        def columns():
            told = [("activations", *about) for about in zip(names, origins, layers, strict=True)]
            measured = [(about, name) for name in statistics for about in told]
            measured += [(told[i], "saturated_fraction") for i in ranges]
            return _columns(measured, told, widths)

        # By identity, as `_once` keeps the origins: two layers' outputs may have one name.
        key = ("activations", self._several, *map(id, origins))
        return ops.concatenate(parts), self._once(key, columns)

    def pack_update(self, gradients, variables, before, after, scale=None, optimizer=None):
        """Measures gradients and what the optimizer made of them.

        Args:
            gradients: list of tensors; None where a variable had none. Those of variables without
                elements are left out.
            variables: the `keras.Variable`s, for their names.
            before: list of the weights before the update.
            after: list of the weights after the update.
            scale: factor by which the loss, and so each gradient, was multiplied.
            optimizer: who reduces the gradients over the replicas, where there are several.
        """
        kept = [
            i
            for i, gradient in enumerate(gradients)
            if gradient is not None and 0 not in variables[i].shape
        ]
        if not kept:
            return
        origins, names = zip(*(self._names(variables[i]) for i in kept), strict=True)
        dense = [active.arrays.to_dense(gradients[i]) for i in kept]
        if self._several:
            # Ours may weight the replicas' parts.
            inner = getattr(optimizer, "inner_optimizer", optimizer)  # of a LossScaleOptimizer
            reduced = getattr(inner, "gradients_of_whole_batch", None)
            dense = (reduced or active.replicas.reduced_gradients)(dense)
        if scale is not None:
            # In float32: a scale of 2**16 is infinite in float16.
            dense = [
                ops.cast(gradient, keras.backend.result_type(gradient.dtype, "float32"))
                for gradient in dense
            ]
            dense = [gradient / ops.cast(scale, gradient.dtype) for gradient in dense]
        reductions = TensorReductions(dense)
        parts = [function(reductions) for function in GRADIENT_STATISTICS.values()]
        weight_norms = norm(TensorReductions([before[i] for i in kept], once=True))
        update_norms = norm(TensorReductions([after[i] - before[i] for i in kept], once=True))
        # A weight of norm zero has no ratio; NaN is dropped by whoever writes the row.
        ratios = ops.where(weight_norms > 0, update_norms / weight_norms, float("nan"))
        parts += [weight_norms, ratios]
        widths = _append_histograms(parts, dense) if self.histograms else []

        def columns():
            told = [("gradients", *about, None) for about in zip(names, origins, strict=True)]
            measured = [(about, name) for name in GRADIENT_STATISTICS for about in told]
            for section, statistic in (("weights", "norm"), ("updates", "ratio")):
                measured += [((section, *about[1:]), statistic) for about in told]
            return _columns(measured, told, widths)

        self.add_part(ops.concatenate(parts), self._once(("gradients", *names), columns))

    def _once(self, key, make):
        if key not in self._known:
            self._known[key] = make()
        return self._known[key]

    def _named_outputs(self):
        """A layer's second call and second output carry a number: `dense_call_2_output_2`."""
        outputs, self._outputs = self._outputs, []
        for watched, tensors in outputs:
            use = self._uses[watched.name] = self._uses.get(watched.name, 0) + 1
            for number, tensor in enumerate(tensors, start=1):
                make = functools.partial(_name, watched, use, number)
                name, origin = self._once(("output", watched.name, use, number), make)
                yield name, tensor, watched, origin

    def add_part(self, vector, columns):
        """Appends a packed vector and what its numbers mean."""
        if vector is not None:
            self._parts.append(vector)
            self.columns += columns

    def row(self):
        """All statistics of the step as one vector."""
        return ops.concatenate(self._parts) if self._parts else ops.zeros((0,))


def _name(watched, use, number):
    """The name and the `MeasuredTensor` of one output of one call of a layer."""
    name = watched.name if use == 1 else f"{watched.name}_call_{use}"
    origin = MeasuredTensor(
        watched.name,
        type(watched.layer).__name__,
        call=use,
        output=number,
        passes_on=watched.passes_on,
    )
    return name if number == 1 else f"{name}_output_{number}", origin


def _columns(measured, told, widths):
    """Columns of numbers, each `((section, name, origin, layer), statistic)`, and of histograms."""
    numbers = [
        Column(section, name, statistic, layer=layer, origin=origin)
        for (section, name, origin, layer), statistic in measured
    ]
    return numbers + [
        Column(section, name, "histogram", width, layer, origin)
        for width, (section, name, origin, layer) in zip(widths, told, strict=bool(widths))
    ]


def _common_extremes(reductions):
    """`(minimum, maximum)` of each tensor over all replicas, without the parts that are empty."""
    empty = reductions.counts == 0
    # One collective for both.
    low = ops.where(empty, float("inf"), reductions.minima)
    negative_high = ops.where(empty, float("inf"), -reductions.maxima)
    every = active.replicas.concatenate(ops.stack([low, negative_high])[None])
    least = ops.min(every, axis=0)
    return [(least[0, i], -least[1, i]) for i in range(len(reductions))]


def _append_histograms(parts, tensors, extremes=None):
    """Appends the histogram of each tensor; how many numbers each is."""
    histograms = [
        histogram(tensor, ends)
        for tensor, ends in zip(tensors, extremes or [None] * len(tensors), strict=True)
    ]
    parts += histograms
    return [counts.shape[0] for counts in histograms]


def _can_be_measured(tensor):
    """Whether it is a dense tensor of floats with something in it."""
    dense = active.arrays.is_dense(tensor)
    if not dense or "float" not in keras.backend.standardize_dtype(tensor.dtype):
        return False
    return 0 not in tuple(tensor.shape)
