"""What this package asks of tensorflow directly, beyond `keras.ops`."""

__all__: list[str] = []
