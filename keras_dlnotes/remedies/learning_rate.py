"""Another learning rate."""

from keras_dlnotes.remedies.draft import Remedy


def _apply(draft, rate):
    draft.optimizer_settings["learning_rate"] = rate


LEARNING_RATE = Remedy(
    "learning_rate",
    _apply,
    lambda facts, rate: (
        f"learning rate {rate:.4g} instead of {facts.learning_rate:.4g}"
        if facts.learning_rate is not None
        else f"learning rate {rate:.4g}"
    ),
)
