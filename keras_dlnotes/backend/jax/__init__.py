"""What this package asks of jax directly, beyond `keras.ops`."""

__all__: list[str] = []
