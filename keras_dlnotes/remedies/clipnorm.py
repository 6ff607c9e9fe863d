"""Gradients whose norm is limited."""

from keras_dlnotes.remedies.draft import Remedy


def _apply(draft, norm):
    draft.optimizer_settings["clipnorm"] = norm


CLIPNORM = Remedy(
    "clipnorm", _apply, lambda facts, norm: f"gradients clipped to a norm of {norm:g}"
)
