"""Pure functions that measure a tensor: the statistics of the notes' pictures."""

__all__: list[str] = []
