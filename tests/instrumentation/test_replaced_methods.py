"""What callbacks replace on a model for a `fit` comes back as the user had it."""

import keras
import pytest
from keras import layers

from keras_dlnotes.instrumentation.replaced_methods import ReplacedMethods


def compiled():
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def passing_on(method):
    def replacement(*arguments, **options):
        return method(*arguments, **options)

    return replacement


@pytest.mark.parametrize("last_first", [False, True])
@pytest.mark.parametrize("own", [False, True])
def test_the_user_s_own_method_comes_back_in_either_order_of_removal(own, last_first):
    model = compiled()
    if own:
        model.compute_loss = passing_on(model.compute_loss)
    before = vars(model).get("compute_loss")
    replaced = [ReplacedMethods(model, {"compute_loss": passing_on}) for _ in range(2)]
    for each in replaced:
        each.start()
        assert vars(model)["compute_loss"] is not before
    for each in reversed(replaced) if last_first else replaced:
        each.remove()
    assert vars(model).get("compute_loss") is before
