"""Gradients whose norm is limited."""

from keras_dlnotes.remedies.draft import Remedy


def _apply(draft, norm):
    # Keras takes one limit at a time.
    draft.optimizer_settings |= {"clipnorm": norm, "global_clipnorm": None, "clipvalue": None}


CLIPNORM = Remedy(
    "clipnorm", _apply, lambda facts, norm: f"gradients clipped to a norm of {norm:g}"
)
