"""Examples in another order in each epoch."""

from keras_dlnotes.remedies.draft import Remedy


def _apply(draft, shuffle):
    draft.shuffle = shuffle


SHUFFLE = Remedy("shuffle", _apply, lambda facts, _: "examples shuffled before each epoch")
