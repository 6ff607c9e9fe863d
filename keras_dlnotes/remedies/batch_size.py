"""Another batch size."""

from keras_dlnotes.remedies.draft import Remedy


def _apply(draft, size):
    draft.batch_size = size


BATCH_SIZE = Remedy("batch_size", _apply, lambda facts, size: f"batches of {size} examples")
