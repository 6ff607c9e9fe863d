"""Targets of mean 0 and standard deviation 1."""

import numpy as np

from keras_dlnotes.remedies.draft import Remedy


def _apply(draft, _):
    def examples(inputs, targets):
        mean, deviation = targets.mean(axis=0), targets.std(axis=0)
        deviation = np.where(deviation > 0, deviation, 1.0)
        return lambda x, y: (x, ((y - mean) / deviation).astype("float32"))

    draft.examples.append(examples)


STANDARDIZED_TARGETS = Remedy(
    "standardize_targets",
    _apply,
    lambda facts, _: "targets scaled to mean 0 and standard deviation 1",
    lambda facts, _: [
        "# A prediction p then means p * deviation + mean.",
        "mean, deviation = y.mean(axis=0), y.std(axis=0)",
        "y = (y - mean) / deviation",
    ],
)
