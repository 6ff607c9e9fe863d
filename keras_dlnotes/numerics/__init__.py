"""Pure functions, arrays in and arrays out: the algorithms of the notes."""

__all__: list[str] = []
