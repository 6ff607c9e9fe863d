"""The names that TensorFlow keeps private and this package uses; see `backend/private_names.py`."""

from functools import partial

from keras_dlnotes.backend import private_names

KNOWN_IN = "2.21"
_imported = partial(private_names.Imported, known_in=KNOWN_IN, backends=("tensorflow",))
_attribute = partial(private_names.Attribute, known_in=KNOWN_IN, backends=("tensorflow",))
_method = partial(private_names.Method, known_in=KNOWN_IN, backends=("tensorflow",))
_overridden = partial(private_names.Overridden, known_in=KNOWN_IN, backends=("tensorflow",))

in_xla = _imported(
    "tensorflow.python.ops.control_flow_util:GraphOrParentsInXlaContext",
    "whether XLA compiles the step that a Hessian is taken in",
    "`Newton` does not work on TensorFlow",
)
jacobian = _imported(
    "tensorflow.python.ops.parallel_for.gradients:jacobian",
    "the Hessian in one vectorised form",
    "`Newton` does not work on TensorFlow",
)
could_record = _imported(
    "tensorflow.python.eager.record:could_possibly_record",
    "whether a gradient is being recorded, which is when a penalty exists",
    "this package's regularizers and penalties do not work on TensorFlow",
)
has_several_workers = _method(
    "tensorflow:distribute.StrategyExtended._in_multi_worker_mode",
    "whether a MultiWorkerMirroredStrategy has several workers",
    "this package's parts do not work under that strategy",
)
# What Keras calls on the variable inside one of its own to save it into a `tf.train.Checkpoint`.
shared_name = _attribute(
    "tensorflow:Variable._shared_name",
    "the name of a part of a variable in a checkpoint",
    "`tf.train.Checkpoint` does not work with this package's first-order optimizers",
)
to_tensors, from_tensors = (
    _overridden(
        f"tensorflow:Variable.{name}",
        "saving a part of a variable into a checkpoint",
        "`tf.train.Checkpoint` does not work with this package's first-order optimizers",
    )
    for name in ("_serialize_to_tensors", "_restore_from_tensors")
)
