"""Remedies that change what `compile` is told: the loss, the metrics, the optimizer."""

from typing import Any

from keras_dlnotes.diagnosis import ModelFacts
from keras_dlnotes.remedies.draft import Draft, Remedy


def _set_loss(draft: Draft, loss: str) -> None:
    draft.compiled["loss"] = loss


def _loss_sentence(facts: ModelFacts, loss: str) -> str:
    if loss == facts.loss:
        return f"loss {loss!r} with from_logits={not facts.from_logits}"
    now = f"{facts.loss!r}" if facts.loss else "your own loss"
    return f"loss {loss!r} instead of {now}"


def _set_metrics(draft: Draft, metrics: list[str]) -> None:
    draft.compiled["metrics"] = metrics


def _scale_loss(draft: Draft, _: Any) -> None:
    draft.compiled["auto_scale_loss"] = True


def _set_optimizer(draft: Draft, name: str) -> None:
    draft.optimizer = name
    draft.optimizer_settings = {}


def _set_learning_rate(draft: Draft, rate: float) -> None:
    draft.optimizer_settings["learning_rate"] = rate


def _clip(draft: Draft, norm: float) -> None:
    # Keras takes one limit at a time.
    draft.optimizer_settings |= {"clipnorm": norm, "global_clipnorm": None, "clipvalue": None}


LOSS = Remedy("loss", _set_loss, _loss_sentence)
# Accuracy counts how often an amount is met exactly.
METRICS = Remedy(
    "metrics", _set_metrics, lambda facts, metrics: f"metrics {metrics} instead of {facts.metrics}"
)
LOSS_SCALING = Remedy(
    "loss_scaling",
    _scale_loss,
    lambda facts, _: "the loss scaled in float16 (auto_scale_loss=True, which is the default)",
)
OPTIMIZER = Remedy(
    "optimizer",
    _set_optimizer,
    lambda facts, name: (
        f"optimizer {name!r} with its usual settings instead of {facts.optimizer_name}"
    ),
)
LEARNING_RATE = Remedy(
    "learning_rate",
    _set_learning_rate,
    lambda facts, rate: (
        f"learning rate {rate:.4g} instead of {facts.learning_rate:.4g}"
        if facts.learning_rate is not None
        else f"learning rate {rate:.4g}"
    ),
)
CLIPNORM = Remedy("clipnorm", _clip, lambda facts, norm: f"gradients clipped to a norm of {norm:g}")
