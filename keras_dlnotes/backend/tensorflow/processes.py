"""What processes that train one model together agree on between steps."""

from keras_dlnotes.backend.same_on_all import (
    any_process,
    from_chief,
    judges,
    keeps_logs_apart,
    mean_logs,
    meet,
)

__all__ = [
    "any_process",
    "from_chief",
    "is_chief",
    "judges",
    "keeps_logs_apart",
    "mean_logs",
    "meet",
]


def is_chief(model):
    """Whether this process is the one that writes, of those that train the model together."""
    strategy = getattr(model, "distribute_strategy", None)  # whatever a loop of one's own trains
    return strategy is None or strategy.extended.should_save_summary
