"""When to stop training: criteria for `kd.callbacks.EarlyStopping`."""

from keras_dlnotes.stopping.combinations import AllOf, AnyOf
from keras_dlnotes.stopping.criterion import Criterion
from keras_dlnotes.stopping.limits import Diverged, Target, TimeBudget
from keras_dlnotes.stopping.patience import Patience
from keras_dlnotes.stopping.prechelt import GeneralizationLoss, ProgressQuotient, UpStrips

__all__ = [
    "AllOf",
    "AnyOf",
    "Criterion",
    "Diverged",
    "GeneralizationLoss",
    "Patience",
    "ProgressQuotient",
    "Target",
    "TimeBudget",
    "UpStrips",
]
