"""What this package asks of jax directly, beyond `keras.ops`."""

from keras_dlnotes.backend.jax import arrays

__all__ = ["arrays"]
