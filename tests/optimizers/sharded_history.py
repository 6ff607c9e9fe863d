"""L-BFGS on one device or, with `sharded`, on four: losses, and where its history lies."""

import json
import sys

import keras
import numpy as np

import keras_dlnotes as kd

VECTORS = "accepted_point|accepted_gradient|search_direction|trial_point|gradient_sum"


def main():
    """Trains and prints."""
    # Keras seeds TensorFlow on every backend where it is installed, and imports it for that.
    sys.modules["tensorflow"] = None
    keras.config.set_floatx("float64")
    if "sharded" in sys.argv:
        devices = keras.distribution.list_devices()
        layout = keras.distribution.LayoutMap(
            keras.distribution.DeviceMesh((1, 4), ("batch", "model"), devices)
        )
        layout[".*hidden/kernel"] = (None, "model")
        layout[".*lbfgs/history"] = (None, "model")
        layout[f".*lbfgs/({VECTORS})"] = ("model",)
        keras.distribution.set_distribution(
            keras.distribution.ModelParallel(layout_map=layout, batch_dim_name="batch")
        )
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(8, "tanh", name="hidden"),
            keras.layers.Dense(4, name="outputs"),
        ]
    )
    optimizer = kd.optimizers.LBFGS(gradient_tolerance=0.0)
    model.compile(optimizer, "mse")
    random = np.random.default_rng(0)
    x, y = random.normal(size=(32, 6)), random.normal(size=(32, 4))
    losses = model.fit(x, y, batch_size=32, epochs=12, verbose=0).history["loss"]
    history = optimizer._history.value
    shapes = [shard.data.shape for shard in history.addressable_shards]
    print(json.dumps([losses, history.shape, shapes]))


main()
