"""The names that JAX keeps private and this package uses; see `backend/private_names.py`."""

from keras_dlnotes.backend import private_names

trace_of_tracer = private_names.Attribute(
    "jax:core.Tracer._trace",
    "whether an activation belongs to the step itself, or to a loop within it",
    "the monitor and `Diagnosis` do not work on JAX",
    known_in="0.4.34 to 0.10",
    backends=("jax",),
)
