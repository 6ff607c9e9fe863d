"""The names that Optuna keeps private and this package uses; see `backend/private_names.py`."""

from keras_dlnotes.backend import private_names

KNOWN_IN = "5.0"

id_of_trial = private_names.Attribute(
    "optuna.trial:FrozenTrial._trial_id",
    "taking up a trial that was interrupted, and noting what was drawn for it",
    "searches do not work",
    known_in=KNOWN_IN,
)
storage_of_study = private_names.Attribute(
    "optuna:Study._storage",
    "noting what was drawn for a trial, so that it gets the same again",
    "searches whose sampler draws jointly do not work",
    known_in=KNOWN_IN,
)
