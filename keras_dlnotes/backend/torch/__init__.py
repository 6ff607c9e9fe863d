"""What this package asks of torch directly, beyond `keras.ops`."""

__all__: list[str] = []
