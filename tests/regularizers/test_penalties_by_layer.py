import keras
import pytest

import keras_dlnotes as kd


def test_a_model_without_weights_yet_is_refused():
    layer = keras.layers.Dense(1, kernel_regularizer=kd.regularizers.L2())
    with pytest.raises(ValueError, match="Expected a built model"):
        kd.regularizers.penalties_by_layer(keras.Sequential([layer]))
