"""What the regularizers of a model add to its training loss."""

import keras

from keras_dlnotes.regularizers.training_penalty import TrainingPenalty


def penalties_by_layer(model: keras.Model) -> dict[str, float]:
    """The present penalty on the weights of each layer, in training or not.

    Use it to see a penalty by itself: `model.losses` is 0 outside training.

    Formula: λ Ω(w), summed over the regularized trainable variables of a layer. Keras's own
    regularizers are counted as well; penalties on activities are not, since they have no value
    without a batch.

    Args:
        model: a built Keras model.

    Raises:
        ValueError: if the model has no weights yet.

    Returns:
        Dict from a layer's path to a float, in the order of the model's variables.

    Example:
    ```python
    print(sum(kd.regularizers.penalties_by_layer(model).values()))
    ```
    """
    if not model.built:
        raise ValueError(
            f"Expected a built model, whose weights are there. Received: {model!r}. Give it an "
            "`Input`, or call it on a batch first."
        )
    totals: dict[str, float] = {}
    for variable in model.trainable_variables:
        regularizer = variable.regularizer
        if regularizer is None:
            continue
        of = regularizer.penalty if isinstance(regularizer, TrainingPenalty) else regularizer
        layer = variable.path.rpartition("/")[0] or variable.path
        value = float(keras.ops.convert_to_numpy(of(keras.ops.stop_gradient(variable.value))))
        totals[layer] = totals.get(layer, 0.0) + value
    return totals
