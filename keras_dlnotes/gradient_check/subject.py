"""What the subject of a check is made of."""

import keras

from keras_dlnotes.backend import internals


def has_own(subject, method):
    """Whether the subject is a model whose class overrides one of Keras's methods."""
    return isinstance(subject, keras.Model) and (
        getattr(type(subject), method, None) is not getattr(keras.Model, method, None)
    )


def has_own_step(subject):
    """Whether it is a model that trains by a loss which only its training step knows."""
    # On JAX Keras's own step calls the latter.
    return has_own(subject, "train_step") or has_own(subject, "compute_loss_and_updates")


def parts_with_policies(subject):
    """All layers and losses whose precision changes, and a compiled model's loss."""
    if isinstance(subject, keras.Loss):
        return [], [subject], None
    if not isinstance(subject, keras.Layer):
        return [], [], None
    layers = list(internals.flatten_layers(subject))
    compile_loss = internals.compile_loss.of(subject, None)
    user_losses = keras.tree.flatten(internals.user_loss.of(compile_loss, None))
    held = [value for layer in layers for value in vars(layer).values()]
    losses = {id(loss): loss for loss in user_losses + held if isinstance(loss, keras.Loss)}
    return layers, list(losses.values()), compile_loss


def build(subject, batch):
    """Makes the weights of a layer that has not been called yet, as its first call would."""
    if isinstance(subject, keras.Layer) and not all(
        layer.built for layer in internals.flatten_layers(subject)
    ):
        x = batch["x"]
        with keras.StatelessScope():  # its other effects, such as moving averages, are dropped
            x = keras.tree.map_structure(
                lambda leaf: None if leaf is None else keras.ops.convert_to_tensor(leaf), x
            )
            try:
                subject(*x) if isinstance(x, tuple) else subject(x)
            except NotImplementedError:
                if not has_own_step(subject):
                    raise  # a model of several networks may have no `call`
