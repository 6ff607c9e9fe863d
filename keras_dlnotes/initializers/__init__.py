"""Weight initializers: small random numbers, Xavier and He."""

__all__: list[str] = []
