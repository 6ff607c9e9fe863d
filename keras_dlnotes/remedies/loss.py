"""Another loss."""

from keras_dlnotes.remedies.draft import Remedy


def _apply(draft, loss):
    draft.compiled["loss"] = loss


def _sentence(facts, loss):
    if loss == facts.loss:
        return f"loss {loss!r} with from_logits={not facts.from_logits}"
    now = f"{facts.loss!r}" if facts.loss else "your own loss"
    return f"loss {loss!r} instead of {now}"


LOSS = Remedy("loss", _apply, _sentence)
