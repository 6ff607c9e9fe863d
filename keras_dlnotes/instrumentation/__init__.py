"""How the train step of a Keras model is observed from inside."""

__all__: list[str] = []
