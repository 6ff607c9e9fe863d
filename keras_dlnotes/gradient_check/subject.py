"""What the subject of a check is made of."""

import keras


def parts_with_policies(subject):
    """All layers and losses whose precision changes, and a compiled model's loss."""
    if isinstance(subject, keras.Loss):
        return [], [subject], None
    if not isinstance(subject, keras.Layer):
        return [], [], None
    layers = list(subject._flatten_layers())
    compile_loss = getattr(subject, "_compile_loss", None)
    user_losses = keras.tree.flatten(getattr(compile_loss, "_user_loss", None))
    return layers, [loss for loss in user_losses if isinstance(loss, keras.Loss)], compile_loss


def build(subject, batch):
    """Makes the weights of a layer that has not been called yet, as its first call would."""
    if isinstance(subject, keras.Layer) and not all(
        layer.built for layer in subject._flatten_layers()
    ):
        x = batch["x"]
        with keras.StatelessScope():  # its other effects, such as moving averages, are dropped
            x = keras.tree.map_structure(
                lambda leaf: None if leaf is None else keras.ops.convert_to_tensor(leaf), x
            )
            subject(*x) if isinstance(x, tuple) else subject(x)
