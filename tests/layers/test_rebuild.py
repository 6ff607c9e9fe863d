"""A model built anew has every layer of the old one but those left out."""

import keras
import pytest
from keras import layers

from keras_dlnotes.backend import internals
from keras_dlnotes.layers import rebuild


@pytest.mark.parametrize("nested", [False, True])
def test_hundreds_of_models_keep_every_layer_that_was_not_left_out(nested):
    """What takes the place of a layer may be freed, and its `id` be another layer's by then."""
    for number in range(150):
        stack = []
        for _ in range(number % 4 + 1):
            stack += [layers.Dense(2), layers.Identity(), layers.ReLU()]
        left_out = [layer for layer in stack if isinstance(layer, layers.Identity)]
        kept = [layer.name for layer in stack if layer not in left_out]
        model = keras.Sequential(stack)
        if nested:
            model = keras.Sequential([keras.Sequential([model]), layers.Flatten()])
        new = rebuild.rebuild(model, {id(layer): [] for layer in left_out})
        if nested:
            assert isinstance(new.layers[1], layers.Flatten)
            new = new.layers[0].layers[0]
        assert [layer.name for layer in new.layers] == kept


def test_a_layer_is_replaced_by_several_wherever_it_is_used():
    shared = layers.Dense(3, name="shared")
    start = keras.Input((3,))
    x = layers.Add()([shared(start), shared(shared(start))])
    inner = keras.Sequential([keras.Input((3,)), layers.Dense(3, name="inner")])
    model = keras.Model(start, inner(inner(x)))
    chains = {
        id(shared): [layers.Dense(3, name="first"), layers.ReLU(name="second")],
        id(inner.layers[0]): [layers.Dense(3, name="third"), layers.Identity(name="fourth")],
    }
    new = rebuild.rebuild(model, chains)
    names = [layer.name for layer in internals.flatten_layers(new) if not hasattr(layer, "layers")]
    assert {"first", "second", "third", "fourth"} < set(names)
    assert not {"shared", "inner"} & set(names)
    assert len(chains[id(shared)][0]._inbound_nodes) == 3
