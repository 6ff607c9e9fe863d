"""The names that torch keeps private and this package uses; see `backend/private_names.py`."""

from functools import partial

from keras_dlnotes.backend import private_names

KNOWN_IN = "2.13"
_imported = partial(private_names.Imported, known_in=KNOWN_IN, backends=("torch",))
_attribute = partial(private_names.Attribute, known_in=KNOWN_IN, backends=("torch",))

add_to_each = _imported(
    "torch:_foreach_add_",
    "adding to many weights at once",
    "the first-order optimizers do not work on torch",
)
map_tree, leaves_of_tree = (
    _imported(
        f"torch.utils._pytree:{name}",
        "taking single examples out of a structure of inputs",
        "`GaussNewton` does not work on torch",
    )
    for name in ("tree_map", "tree_leaves")
)
warn_of_slow_vmap = _imported(
    "torch:_C._functorch._set_vmap_fallback_warning_enabled",
    "keeping torch's warning of slow operations out of a gradient check",
    "torch may warn of such operations",
)
dispatch_mode = _imported(
    "torch.utils._python_dispatch:TorchDispatchMode",
    "evaluations that draw the same random numbers",
    "`check_gradients` and short runs do not work on torch",
)
schema, overload_name = (
    _attribute(
        f"torch:_ops.OpOverload.{name}",
        "the form of an operation that takes a generator of random numbers",
        "`check_gradients` does not work on torch",
    )
    for name in ("_schema", "_overloadname")
)
default_store = _imported(
    "torch.distributed.distributed_c10d:_get_default_store",
    "waiting for all processes before the first step, and naming the one that is missing",
    "the monitor and `Diagnosis` do not work under torch.distributed",
)
