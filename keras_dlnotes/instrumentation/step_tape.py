"""What one run (or trace) of a train step leaves behind: layer outputs, gradients, weights."""

from dataclasses import dataclass

import keras
from keras import ops, tree

from keras_dlnotes.backend import active
from keras_dlnotes.measures import (
    ACTIVATION_STATISTICS,
    GRADIENT_STATISTICS,
    Samples,
    histogram,
    norm,
    saturated_fraction,
)


@dataclass(frozen=True)
class Column:
    """What one number, or one histogram, of a recorded row means."""

    section: str
    name: str
    statistic: str
    width: int = 1
    layer: str | None = None  # of an activation: the watched layer's name

    @property
    def tag(self):
        """`activations/<layer>/<statistic>`: the name under which TensorBoard shows it."""
        return f"{self.section}/{self.name}/{self.statistic}"


class StepTape:
    """Collects tensors while a train step runs, and packs their statistics into rows.

    Args:
        histograms: whether rows carry a histogram of each tensor as well.
    """

    def __init__(self, histograms=False):
        self.histograms = histograms
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
            (name, tensor, watched)
            for name, tensor, watched in self._named_outputs()
            if active.reductions.belongs_to_step(tensor, reference)
        ]
        if not taken:
            return None, []
        names = [name for name, _, _ in taken]
        tensors = [tensor for _, tensor, _ in taken]
        layers = [watched.name for _, _, watched in taken]
        parts, columns = _table(
            "activations", names, Samples(tensors), ACTIVATION_STATISTICS, layers
        )
        saturating = [i for i, (_, _, watched) in enumerate(taken) if watched.saturation]
        if saturating:
            centers, radii = zip(*(taken[i][2].saturation for i in saturating), strict=True)
            samples = Samples([tensors[i] for i in saturating])
            parts.append(saturated_fraction(samples, centers, radii))
            columns += [
                Column("activations", names[i], "saturated_fraction", layer=layers[i])
                for i in saturating
            ]
        if self.histograms:
            _append_histograms(parts, columns, "activations", names, tensors, layers)
        return ops.concatenate(parts), columns

    def pack_update(self, gradients, variables, before, after, scale=None):
        """Measures gradients and what the optimizer made of them.

        Args:
            gradients: list of tensors; None where a variable had none. Those of variables without
                elements are left out.
            variables: the `keras.Variable`s, for their names.
            before: list of the weights before the update.
            after: list of the weights after the update.
            scale: factor by which the loss, and so each gradient, was multiplied.
        """
        kept = [
            i
            for i, gradient in enumerate(gradients)
            if gradient is not None and 0 not in variables[i].shape
        ]
        if not kept:
            return
        names = [variables[i].path for i in kept]
        dense = [active.sparse_gradients.to_dense(gradients[i]) for i in kept]
        if scale is not None:
            # In float32: a scale of 2**16 is infinite in float16.
            dense = [
                ops.cast(gradient, keras.backend.result_type(gradient.dtype, "float32"))
                for gradient in dense
            ]
            dense = [gradient / ops.cast(scale, gradient.dtype) for gradient in dense]
        parts, columns = _table("gradients", names, Samples(dense), GRADIENT_STATISTICS)
        weight_norms = norm(Samples([before[i] for i in kept]))
        update_norms = norm(Samples([after[i] - before[i] for i in kept]))
        # A weight of norm zero has no ratio; NaN is dropped by whoever writes the row.
        ratios = ops.where(weight_norms > 0, update_norms / weight_norms, float("nan"))
        parts += [weight_norms, ratios]
        columns += [Column("weights", name, "norm") for name in names]
        columns += [Column("updates", name, "ratio") for name in names]
        if self.histograms:
            _append_histograms(parts, columns, "gradients", names, dense)
        self.add_part(ops.concatenate(parts), columns)

    def _named_outputs(self):
        """A layer's second call and second output carry a number: `dense_call_2_output_2`."""
        outputs, self._outputs = self._outputs, []
        for watched, tensors in outputs:
            use = self._uses[watched.name] = self._uses.get(watched.name, 0) + 1
            name = watched.name if use == 1 else f"{watched.name}_call_{use}"
            for number, tensor in enumerate(tensors, start=1):
                yield (
                    name if number == 1 else f"{name}_output_{number}",
                    tensor,
                    watched,
                )

    def add_part(self, vector, columns):
        """Appends a packed vector and what its numbers mean."""
        if vector is not None:
            self._parts.append(vector)
            self.columns += columns

    def row(self):
        """All statistics of the step as one vector."""
        return ops.concatenate(self._parts) if self._parts else ops.zeros((0,))


def _table(section, names, samples, statistics, layers=None):
    layers = layers or [None] * len(names)
    parts, columns = [], []
    # Moments first: the norm then follows from them without another pass over the tensor.
    for statistic, function in statistics.items():
        parts.append(function(samples))
        columns += [
            Column(section, name, statistic, layer=layer)
            for name, layer in zip(names, layers, strict=True)
        ]
    return parts, columns


def _append_histograms(parts, columns, section, names, tensors, layers=None):
    layers = layers or [None] * len(names)
    for name, tensor, layer in zip(names, tensors, layers, strict=True):
        counts = histogram(tensor)
        parts.append(counts)
        columns.append(Column(section, name, "histogram", counts.shape[0], layer))


def _can_be_measured(tensor):
    """Whether it is a dense tensor of floats with something in it."""
    dense = active.sparse_gradients.is_dense(tensor)
    if not dense or "float" not in keras.backend.standardize_dtype(tensor.dtype):
        return False
    return 0 not in tuple(tensor.shape)
