"""Second derivatives for Newton's method where the loss alone does not carry them."""

import keras

from keras_dlnotes.backend import active


class SecondDerivatives(keras.callbacks.Callback):
    """Lets `Newton` and `NewtonCG` differentiate the training loss twice on JAX.

    When to use it: with these two optimizers in `fit` on JAX. On TensorFlow and torch the loss
    carries its graph and this callback does nothing, so that a script with it runs everywhere.

    Formula: while `fit` runs, the optimizer is given L(w), the very loss of the batch of the
    training step (penalties included) as a function of the trainable weights, from which it forms

        H = d^2 L / dw^2   or   H v = d (g^T v) / dw

    It replaces the model's `train_step` while `fit` runs; after a `fit` that was broken off by an
    exception, call `remove()`.

    Raises:
        ValueError: If the model's optimizer takes no second derivatives.

    Example:
    ```python
    model.compile(optimizer=kd.optimizers.Newton(), loss="mse")
    model.fit(x, y, batch_size=len(x), epochs=20, callbacks=[kd.callbacks.SecondDerivatives()])
    ```
    """

    def set_model(self, model):
        """Hand the optimizer the loss function in every training step."""
        super().set_model(model)
        optimizer = model.optimizer
        if not hasattr(optimizer, "differentiate"):
            raise ValueError(
                "SecondDerivatives works with Newton and NewtonCG. "
                f"Received: {type(optimizer).__name__}. Leave SecondDerivatives out."
            )
        if active.derivatives.SOURCE != "function":
            return
        self.remove()
        train_step = model.train_step

        def observed_train_step(state, data):
            x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
            _, non_trainable, optimizer_variables, metrics = state

            def loss_function(weights):
                _, (loss, *_) = model.compute_loss_and_updates(
                    weights,
                    non_trainable,
                    metrics,
                    x,
                    y,
                    sample_weight,
                    training=True,
                    optimizer_variables=optimizer_variables,
                )
                return loss

            optimizer.differentiate(loss_function)
            return train_step(state, data)

        # Past the model's own attribute tracking: this is no part of the model.
        object.__setattr__(model, "train_step", observed_train_step)
        model.train_function = None

    def remove(self):
        """Give the model its own train step back."""
        if "train_step" in vars(self.model):
            object.__delattr__(self.model, "train_step")
            self.model.train_function = None

    def on_train_end(self, logs=None):
        """Give the model its own train step back."""
        self.remove()
