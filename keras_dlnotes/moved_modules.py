"""Modules of earlier versions by the names that pickled objects know them by."""

import importlib
import sys

# A pickled object names the module of its class. Old name to new.
_MOVED = {
    "augmentation.crop": "augmentation.transforms",
    "augmentation.flip": "augmentation.transforms",
    "augmentation.rotate": "augmentation.transforms",
    "callbacks.diagnosis_printer": "diagnosis.findings",
    "constraints.box": "constraints.box_constraint",
    "diagnosis.report": "diagnosis.findings",
    "initializers.he": "initializers.random_weights",
    "initializers.small_random": "initializers.random_weights",
    "initializers.xavier": "initializers.random_weights",
    "regularizers.l1": "regularizers.training_penalty",
    "regularizers.l1l2": "regularizers.training_penalty",
    "regularizers.l2": "regularizers.training_penalty",
    "remedies.repair": "remedies.repair_result",
    "stopping.all_of": "stopping.combinations",
    "stopping.any_of": "stopping.combinations",
    "stopping.diverged": "stopping.limits",
    "stopping.generalization_loss": "stopping.prechelt",
    "stopping.progress_quotient": "stopping.prechelt",
    "stopping.target": "stopping.limits",
    "stopping.time_budget": "stopping.limits",
    "stopping.up_strips": "stopping.prechelt",
}


def register() -> None:
    """Lets `pickle` find the classes under the old names."""
    package = __name__.rpartition(".")[0]
    for old, new in _MOVED.items():
        sys.modules[f"{package}.{old}"] = importlib.import_module(f"{package}.{new}")
