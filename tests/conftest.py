"""Every test starts from the same seed and leaves Keras's global settings as they were."""

import keras
import pytest

if keras.backend.backend() == "tensorflow":
    import tensorflow as tf

    # Two devices for tests of tf.distribute; it has to be said before anything is computed.
    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )


@pytest.fixture(autouse=True)
def _same_start(monkeypatch):
    # An example that is imported may have set another one for the processes that a test starts.
    monkeypatch.setenv("KERAS_BACKEND", keras.backend.backend())
    # Layers made while tests are collected have fixed the dtype policy.
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(0)
    floatx = keras.config.floatx()
    yield
    keras.config.set_floatx(floatx)
    keras.utils.clear_session(free_memory=False)


@pytest.fixture
def float64():
    """True float64 for one test: Keras's floatx, and JAX's 64-bit switch where JAX computes."""
    keras.config.set_floatx("float64")
    if keras.backend.backend() == "jax":
        import jax

        was = jax.config.jax_enable_x64
        jax.config.update("jax_enable_x64", True)
        yield
        jax.config.update("jax_enable_x64", was)
    else:
        yield
    keras.config.set_floatx("float32")
