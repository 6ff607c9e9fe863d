"""A loss that is scaled, so that its gradients do not underflow."""

from keras_dlnotes.remedies.draft import Remedy


def _apply(draft, _):
    draft.compiled["auto_scale_loss"] = True


LOSS_SCALING = Remedy(
    "loss_scaling",
    _apply,
    lambda facts, _: "the loss scaled in float16 (auto_scale_loss=True, which is the default)",
)
