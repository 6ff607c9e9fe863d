"""Other metrics, where accuracy counts how often an amount is met exactly."""

from keras_dlnotes.remedies.draft import Remedy


def _apply(draft, metrics):
    draft.compiled["metrics"] = metrics


def _sentence(facts, metrics):
    return f"metrics {metrics} instead of {facts.metrics}"


METRICS = Remedy("metrics", _apply, _sentence)
