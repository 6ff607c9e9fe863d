"""More epochs."""

from keras_dlnotes.remedies.draft import Remedy


def _apply(draft, times):
    draft.longer *= times


EPOCHS = Remedy("epochs", _apply, lambda facts, times: f"{times} times as many epochs")
