"""What this package asks of jax directly, beyond `keras.ops`."""

from keras_dlnotes.backend.jax import arrays, derivatives

__all__ = ["arrays", "derivatives"]
