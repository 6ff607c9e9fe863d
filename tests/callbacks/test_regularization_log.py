import keras
import numpy as np

import keras_dlnotes as kd
from keras_dlnotes.summaries import MemoryWriter
from tests.references import penalties as reference


def test_penalty_per_layer_and_in_sum():
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Dense(4, kernel_regularizer=kd.regularizers.L2(0.2), name="first"),
            kd.layers.DropoutPenalty(
                keras.layers.Dense(5, kernel_regularizer=kd.regularizers.L1(0.1), name="inner"),
                rate=0.5,
                strength=0.3,
                name="dropped",
            ),
            keras.layers.Dense(1, bias_regularizer=keras.regularizers.L2(0.7), name="last"),
            keras.layers.Dense(1, name="free"),
        ],
        name="model",
    )
    model.compile("sgd", "mse", jit_compile=keras.backend.backend() == "jax")
    x = np.random.default_rng(0).normal(size=(8, 3)).astype("float32")
    writer = MemoryWriter()
    log = kd.callbacks.RegularizationLog(writer=writer)
    fit = {"verbose": 0, "batch_size": 4, "callbacks": [log]}
    history = model.fit(x, x[:, :1], epochs=2, **fit).history
    first, dropped, last, _ = model.layers
    kernel = dropped.layer.get_weights()[0]
    expected = {
        "first": reference.l2(0.2, first.get_weights()[0]),
        "dropped/inner": reference.l1(0.1, kernel),
        "dropped": 0.3 * 0.5 * np.sum(kernel**2),
        "last": reference.l2(1.4, last.get_weights()[1]),
    }
    got = {name: value[-1] for name, value in history.items() if name.startswith("penalty/")}
    assert len(got) == len(expected)
    for name, value in expected.items():
        (tag,) = [tag for tag in got if tag.endswith(f"/{name}")]
        assert np.isclose(got[tag], value, rtol=1e-5)
        step, number = writer.scalars["regularization" + tag.removeprefix("penalty")][-1]
        assert (step, np.isclose(number, value, rtol=1e-5)) == (4, True)
    assert np.isclose(history["penalty"][-1], sum(expected.values()), rtol=1e-5)
    assert [step for step, _ in writer.scalars["regularization/penalty"]] == [2, 4]
