"""Shows what regularization adds to the training loss."""

import os
from typing import Any

from keras_dlnotes.backend import internals
from keras_dlnotes.callbacks.copyable_callback import CopyableCallback
from keras_dlnotes.callbacks.report_writer import ReportWriter
from keras_dlnotes.instrumentation import train_step_number
from keras_dlnotes.layers import DropoutPenalty
from keras_dlnotes.regularizers import penalties_by_layer


class RegularizationLog(CopyableCallback):
    r"""Reports the penalty by itself, per layer and in sum, after each epoch.

    Use it with the regularizers of `kd.regularizers`, whose penalty is in `loss` but not in
    `val_loss`, to see how much of the training loss it is; Keras's own are reported as well.

    Formula: \(\lambda \Omega(w)\) of each layer's weights at the end of the epoch, and their sum.
    For `kd.layers.DropoutPenalty`, whose term is drawn at random, its expectation. (`loss` holds
    the mean of the penalty over the epoch, so the two are near each other, not equal.)

    | where | in sum | per layer |
    |---|---|---|
    | logs of `fit` | `penalty` | `penalty/<layer>` |
    | TensorBoard | `regularization/penalty` | `regularization/<layer>` |

    where `<layer>` is the path of a layer, such as `sequential/dense`.

    Put it before callbacks that are to see these logs. Penalties on activities have no value
    without a batch and are left out.

    Args:
        log_dir: folder for TensorBoard event files, or None for the logs of `fit` only. That of a
            `TrainingMonitor` may be the same.
        writer: what to write to instead, see `keras_dlnotes.summaries.MemoryWriter`.

    Raises:
        OSError: when `fit` starts, if no file can be made in `log_dir`.

    Example:
    ```python
    model = keras.Sequential([keras.layers.Dense(1, kernel_regularizer=kd.regularizers.L2(0.1))])
    model.compile("sgd", "mse")
    history = model.fit(x, y, callbacks=[kd.callbacks.RegularizationLog("logs/run")])
    print(history.history["penalty"])
    ```
    """

    def __init__(self, log_dir: str | os.PathLike[str] | None = None, writer: Any = None) -> None:
        super().__init__()
        self.log_dir = log_dir
        self.writer = writer
        self._report = ReportWriter("regularization log", writer)

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Closes an event file that a `fit` which raised has left."""
        self._report.close()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Opens the event file when the first epoch begins."""
        self._report.open(self, self.log_dir, epoch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Measures and reports."""
        by_layer = penalties_by_layer(self.model)
        for layer in internals.flatten_layers(self.model, include_self=False):
            if isinstance(layer, DropoutPenalty):
                by_layer[layer.path] = by_layer.get(layer.path, 0.0) + layer.expected_penalty()
        total = sum(by_layer.values())
        if logs is not None:
            logs["penalty"] = total
            logs.update({f"penalty/{name}": value for name, value in by_layer.items()})
        step = train_step_number(self.model)
        self._report.scalars(step, "regularization", {"penalty": total, **by_layer})

    def on_train_end(self, logs: dict[str, Any] | None = None) -> None:
        """Closes the event file."""
        self._report.close()
