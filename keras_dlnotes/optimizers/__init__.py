"""Optimizers with exactly the notes' formulas."""

__all__: list[str] = []
