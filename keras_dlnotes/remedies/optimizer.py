"""Another optimizer, with its usual settings."""

from keras_dlnotes.remedies.draft import Remedy


def _apply(draft, name):
    draft.optimizer = name
    draft.optimizer_settings = {}


OPTIMIZER = Remedy(
    "optimizer",
    _apply,
    lambda facts, name: (
        f"optimizer {name!r} with its usual settings instead of {facts.optimizer_name}"
    ),
)
