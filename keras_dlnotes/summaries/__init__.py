"""How measurements are recorded: TensorBoard event files and an in-memory writer."""

__all__: list[str] = []
