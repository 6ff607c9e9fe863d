"""The weights of a trial on disk, and what is needed to put them into a newly built model."""

import json

_WEIGHTS = "best.weights.h5"
_BUILD = "build.json"


def save_weights(model, folder):
    """Writes a model's weights, and the shapes to build it with: its first batch may do that."""
    (folder / _BUILD).write_text(json.dumps(model.get_build_config()))
    model.save_weights(folder / _WEIGHTS)


def has_weights(folder):
    """Whether there are any."""
    return (folder / _WEIGHTS).exists()


def load_weights(model, folder):
    """Puts them into a model of the same architecture."""
    if not model.built:
        model.build_from_config(json.loads((folder / _BUILD).read_text()))
    model.load_weights(folder / _WEIGHTS)


def remove_weights(folder):
    """Makes room."""
    for name in (_WEIGHTS, _BUILD):
        (folder / name).unlink(missing_ok=True)
