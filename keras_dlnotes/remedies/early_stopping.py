"""The end of training when the validation loss rises, with the best weights put back."""

from keras_dlnotes.remedies.draft import Remedy


def _apply(draft, _):
    draft.stops_early = True


EARLY_STOPPING = Remedy(
    "early_stopping",
    _apply,
    lambda facts, _: "the end of training when the validation loss rises, and its best weights",
)
