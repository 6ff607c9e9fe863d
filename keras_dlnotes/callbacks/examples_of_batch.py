"""How many examples the batch of a training step has."""

from collections.abc import Callable
from typing import Any

import keras


def telling_examples(
    tell: Callable[[Any], Any],
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """What stands in for a `train_step` that first tells the number of its batch's examples.

    Args:
        tell: Function of a number of examples, which may be a tensor.

    Returns:
        A function from the model's own `train_step` to that, as `ReplacedMethods` takes it.
    """

    def replacement(train_step: Callable[..., Any]) -> Callable[..., Any]:
        def telling_train_step(*arguments: Any) -> Any:
            x, _, _ = keras.utils.unpack_x_y_sample_weight(arguments[-1])
            inputs = [leaf for leaf in keras.tree.flatten(x) if leaf is not None]
            tell(keras.ops.shape(inputs[0])[0])
            return train_step(*arguments)

        return telling_train_step

    replacement.__qualname__ = f"telling {tell.__qualname__}"

    return replacement
