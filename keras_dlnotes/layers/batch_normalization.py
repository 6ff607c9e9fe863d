"""Batch normalization whose running statistics are exact from the first step."""

from typing import Any, NoReturn

import keras
from keras import ops

from keras_dlnotes.backend import active
from keras_dlnotes.backend.dtypes import arithmetic_dtype
from keras_dlnotes.backend.registration import registered
from keras_dlnotes.numerics import batch_statistics as statistics
from keras_dlnotes.numerics.number_arguments import is_real_number, is_whole_number, whole_number


@registered("BatchNormalization")
class BatchNormalization(keras.layers.Layer):
    r"""Normalizes each channel over the mini-batch, and at inference over all it has seen.

    Use it after a dense or convolution layer and before its activation;
    `normalize_before_activation` places it there. Unlike Keras's layer, which starts its moving
    averages at 0 and 1 and with `momentum=0.99` still carries 37 % of that after 100 steps, this
    one never counts its start: after one step it evaluates as it trains.

    Formula, in training, for each channel with the \(m\) positions of the mini-batch:

    \(\mu = \frac{1}{m} \sum_i Z^{(i)}\), \(\sigma^2 = \frac{1}{m} \sum_i (Z^{(i)} - \mu)^2\),
    \(Z_{norm}^{(i)} = \gamma \frac{Z^{(i)} - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta\)

    - \(Z\) → the inputs, `[batch, ..., channels]` or with the channels at `axis`.
    - \(\gamma, \beta\) → the weights `gamma` and `beta`, `[channels]`; 1 and 0 where there is none.
    - \(\epsilon\) → `epsilon`.

    At inference \(\mu\) and \(\sigma^2\) are `moving_mean` and `moving_variance`: over the batches
    \(b = 1..t\) so far, \(\sum_b k^{t-b} w_b \mu_b / \sum_b k^{t-b} w_b\), where \(k\) is
    `momentum` (1 for None) and \(w_b\) the number of positions of the batch. The sum of the weights
    is the third non-trainable variable, `total_weight`; where it is 0, before the first step, the
    layer passes its input on as Keras's does.

    A layer with `trainable=False` runs in inference mode, as Keras's. Under `tf.distribute` the
    running statistics are averages over the replicas. Statistics are computed and kept in 32 bits
    or more, whatever the policy.

    Args:
        axis: The axis of the channels; 1 for `channels_first`.
        momentum: How much of the running average each step keeps, in [0, 1); None for the plain
            average over all steps since the layer was made.
        epsilon: Added to the variance.
        affine: Whether to scale and shift by γ and β; `False` is the bare normalization.
        center: Whether there is a β, as Keras's; needs `affine=True`.
        scale: Whether there is a γ, as Keras's; needs `affine=True`.
        unbiased: Average σ² · m / (m - 1) into `moving_variance`, the estimate for the population;
            a batch of one position then counts nothing. Training divides by m in any case.
        ghost_batch_size: Normalize by the statistics of parts of the batch of at most so many
            examples, whose sizes differ by one at most; None for the whole batch. The running
            variance is that within the parts.
        synchronized: In training take the statistics over the batches of all replicas: of a
            `tf.distribute` strategy, or of the processes of `torch.distributed`. On JAX they
            always are.
        beta_initializer: As Keras's.
        gamma_initializer: As Keras's.
        moving_mean_initializer: What the layer evaluates with before the first training step,
            which replaces it. (Keras's layer averages it in.)
        moving_variance_initializer: Likewise.
        beta_regularizer: As Keras's.
        gamma_regularizer: As Keras's.
        beta_constraint: As Keras's.
        gamma_constraint: As Keras's.
        **kwargs: `name`, `dtype` and `trainable`. Keras's `renorm` may be `False`.

    Call arguments:
        inputs: A tensor of two axes or more.
        training: Whether to normalize by the batch and to take it into the running statistics.
        mask: Booleans for the leading axes of the inputs, `[batch]`, `[batch, time]` and so on,
            as Keras's layers pass them on: positions that are `False` count nothing. They are
            normalized like the others. For channels before other axes give it an axis of size 1,
            `[batch, 1, time]`. Where it reaches the channels' axis, each channel has its own m,
            and one that has no position left keeps its running statistics.

    Raises:
        ValueError: if an argument is not as described, if the inputs have no known number of
            channels, or a mask does not fit them.

    Example:
    ```python
    model = keras.Sequential(
        [
            keras.Input((64,)),
            keras.layers.Dense(32, use_bias=False),
            kd.layers.BatchNormalization(),
            keras.layers.Activation("tanh"),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    ```

    Reference: deep-learning notes, "Batch Normalization"; Ioffe and Szegedy, "Batch Normalization",
    2015, algorithm 1; Hoffer, Hubara and Soudry, "Train longer, generalize better", 2017,
    algorithm 1, for ghost batches.
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float | None = 0.99,
        epsilon: float = 1e-3,
        affine: bool = True,
        unbiased: bool = False,
        ghost_batch_size: int | None = None,
        synchronized: bool = False,
        beta_initializer: str | keras.Initializer = "zeros",
        gamma_initializer: str | keras.Initializer = "ones",
        beta_regularizer: str | keras.Regularizer | None = None,
        gamma_regularizer: str | keras.Regularizer | None = None,
        beta_constraint: str | keras.constraints.Constraint | None = None,
        gamma_constraint: str | keras.constraints.Constraint | None = None,
        center: bool = True,
        scale: bool = True,
        moving_mean_initializer: str | keras.Initializer = "zeros",
        moving_variance_initializer: str | keras.Initializer = "ones",
        **kwargs: Any,
    ) -> None:
        _refuse_renormalization(kwargs)
        super().__init__(**kwargs)
        _check_arguments(axis, momentum, epsilon, ghost_batch_size, synchronized)
        self.axis = int(axis)
        self.momentum = None if momentum is None else float(momentum)
        self.epsilon = float(epsilon)
        self.affine = affine
        self.center = center
        self.scale = scale
        self.unbiased = unbiased
        self.ghost_batch_size = None if ghost_batch_size is None else int(ghost_batch_size)
        self.synchronized = synchronized
        self.beta_initializer = keras.initializers.get(beta_initializer)
        self.gamma_initializer = keras.initializers.get(gamma_initializer)
        self.moving_mean_initializer = keras.initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = keras.initializers.get(moving_variance_initializer)
        self.beta_regularizer = keras.regularizers.get(beta_regularizer)
        self.gamma_regularizer = keras.regularizers.get(gamma_regularizer)
        self.beta_constraint = keras.constraints.get(beta_constraint)
        self.gamma_constraint = keras.constraints.get(gamma_constraint)
        self.gamma = None
        self.beta = None
        self.supports_masking = True

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Makes γ and β, and the running statistics with the sum of their weights."""
        rank = len(input_shape)
        axis = self.axis + rank if self.axis < 0 else self.axis
        if not 0 < axis < rank or input_shape[axis] is None:
            raise ValueError(
                f"Expected inputs with a known number of channels at axis {self.axis}, and the "
                f"examples at another. Received: input shape {tuple(input_shape)} in layer "
                f"{self.name!r}. Pass the channels' `axis`, or an Input of known size."
            )
        self._channel_axis = axis
        shape = (input_shape[axis],)
        for name, wanted in (("gamma", self.scale), ("beta", self.center)):
            if self.affine and wanted:
                weight = self.add_weight(
                    name=name,
                    shape=shape,
                    initializer=getattr(self, f"{name}_initializer"),
                    regularizer=getattr(self, f"{name}_regularizer"),
                    constraint=getattr(self, f"{name}_constraint"),
                    autocast=False,
                )
                setattr(self, name, weight)
        dtype = arithmetic_dtype(self.variable_dtype)

        def running(name: str, shape: tuple[int | None, ...], initializer: Any) -> keras.Variable:
            return self.add_weight(
                name=name,
                shape=shape,
                initializer=initializer,
                dtype=dtype,
                trainable=False,
                autocast=False,
                aggregation="mean",
            )

        self.moving_mean = running("moving_mean", shape, self.moving_mean_initializer)
        self.moving_variance = running("moving_variance", shape, self.moving_variance_initializer)
        self.total_weight = running("total_weight", (), "zeros")
        self.input_spec = keras.layers.InputSpec(ndim=rank, axes={axis: shape[0]})

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalizes the inputs."""
        if not keras.backend.is_float_dtype(inputs.dtype):
            inputs = ops.cast(inputs, self.compute_dtype)
        inputs = ops.cast(inputs, arithmetic_dtype(inputs.dtype))
        if training and self.trainable:
            batch = self._batch_statistics(inputs, mask)
            self._take_into_running_statistics(batch)
            centred, variance = batch.centred, batch.variance
        else:
            centred = inputs - self._along_channels(self.moving_mean, inputs)
            variance = self._along_channels(self.moving_variance, inputs)
        gamma = self._along_channels(self.gamma, inputs)
        beta = self._along_channels(self.beta, inputs)
        outputs = statistics.normalize(centred, variance, self.epsilon, gamma, beta)
        return ops.cast(outputs, self.compute_dtype)

    def _along_channels(self, vector: Any, inputs: Any) -> Any:
        if vector is None:
            return None
        return statistics.along_channels(vector, self._channel_axis, inputs)

    def _batch_statistics(self, inputs: Any, mask: Any) -> statistics.BatchStatistics:
        axis = self._channel_axis
        if mask is not None:
            mask = statistics.mask_over_positions(mask, inputs)
        return statistics.batch_statistics(
            inputs,
            axis,
            mask,
            self.ghost_batch_size,
            self.unbiased,
            active.replicas.sum_over_replicas if self.synchronized else None,
        )

    def _take_into_running_statistics(self, batch: statistics.BatchStatistics) -> None:
        variables = self.moving_mean, self.moving_variance
        dtype = self.moving_mean.dtype
        values, total_weight = statistics.running_average(
            [variable.value for variable in variables],
            [ops.cast(batch.batch_mean, dtype), ops.cast(batch.batch_variance, dtype)],
            self.total_weight.value,
            ops.cast(batch.weight, dtype),
            self.momentum,
        )
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        self.total_weight.assign(total_weight)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The inputs' shape."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        serialized = {
            f"{name}_{part}": getattr(keras, f"{part}s").serialize(getattr(self, f"{name}_{part}"))
            for name in ("beta", "gamma")
            for part in ("initializer", "regularizer", "constraint")
        }
        for name in ("moving_mean_initializer", "moving_variance_initializer"):
            serialized[name] = keras.initializers.serialize(getattr(self, name))
        return {
            **super().get_config(),
            "axis": self.axis,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
            "affine": self.affine,
            "center": self.center,
            "scale": self.scale,
            "unbiased": self.unbiased,
            "ghost_batch_size": self.ghost_batch_size,
            "synchronized": self.synchronized,
            **serialized,
        }


def _refuse_renormalization(kwargs: dict[str, Any]) -> None:
    """Takes Keras's arguments for batch renormalization out, which say nothing where it is off."""
    if kwargs.get("renorm"):
        raise ValueError(
            "Expected no batch renormalization, which this layer does not have. Received: "
            f"renorm={kwargs['renorm']!r}. Use keras.layers.BatchNormalization, or "
            "`ghost_batch_size` and `synchronized` here, which set the number of examples of a "
            "statistic."
        )
    for name in ("renorm", "renorm_clipping", "renorm_momentum"):
        kwargs.pop(name, None)


def _check_arguments(
    axis: Any, momentum: Any, epsilon: Any, ghost_batch_size: Any, synchronized: bool
) -> None:
    def refuse(expected: str, **received: Any) -> NoReturn:
        shown = ", ".join(f"{name}={value!r}" for name, value in received.items())
        raise ValueError(f"Expected {expected}. Received: {shown}.")

    if not is_whole_number(axis) or axis == 0:
        refuse("`axis` to be the one axis of the channels, not that of the examples", axis=axis)
    if momentum is not None and not (is_real_number(momentum) and 0 <= momentum < 1):
        refuse(
            "`momentum` to be a number in [0, 1), or None for the plain average", momentum=momentum
        )
    if not (is_real_number(epsilon) and epsilon >= 0):
        refuse("`epsilon` to be a number of at least 0", epsilon=epsilon)
    if ghost_batch_size is None:
        return
    whole_number("ghost_batch_size", ghost_batch_size, unit="examples")
    if synchronized:
        refuse(
            "either statistics over parts of a batch or over all replicas",
            ghost_batch_size=ghost_batch_size,
            synchronized=synchronized,
        )
