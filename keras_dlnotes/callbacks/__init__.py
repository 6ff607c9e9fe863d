"""Callbacks: when something happens during `fit`."""

__all__: list[str] = []
