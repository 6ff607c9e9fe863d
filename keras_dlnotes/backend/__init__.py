"""The one floor that knows which library computes: tensorflow, jax or torch.

Each of the three subpackages offers the same function names; this module re-exports those of
the backend that Keras runs on. Nothing above this floor imports tensorflow, jax or torch.
"""

import importlib
from types import ModuleType

import keras


def _active_backend() -> ModuleType:
    name = keras.backend.backend()
    if name not in ("tensorflow", "jax", "torch"):
        raise ImportError(
            "keras_dlnotes runs on Keras's tensorflow, jax and torch backends. "
            f"Received: KERAS_BACKEND={name!r}. Set the environment variable KERAS_BACKEND "
            "to one of the three before Keras is imported."
        )
    return importlib.import_module(f"keras_dlnotes.backend.{name}")


active = _active_backend()

__all__ = ["active"]
