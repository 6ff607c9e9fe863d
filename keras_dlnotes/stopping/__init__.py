"""When to stop training: criteria for `kd.callbacks.EarlyStopping`."""

from keras_dlnotes.stopping.all_of import AllOf
from keras_dlnotes.stopping.any_of import AnyOf
from keras_dlnotes.stopping.criterion import Criterion
from keras_dlnotes.stopping.diverged import Diverged
from keras_dlnotes.stopping.generalization_loss import GeneralizationLoss
from keras_dlnotes.stopping.patience import Patience
from keras_dlnotes.stopping.progress_quotient import ProgressQuotient
from keras_dlnotes.stopping.target import Target
from keras_dlnotes.stopping.time_budget import TimeBudget
from keras_dlnotes.stopping.up_strips import UpStrips

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
