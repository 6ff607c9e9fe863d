"""Examples out of whatever `fit` takes as data."""

import itertools
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from keras_dlnotes.backend.dtypes import is_number, widened

_MOST_EXAMPLES = 512
_MOST_BATCHES = 64


@dataclass(frozen=True)
class DataSample:
    """Some examples, and what was seen of all data on the way.

    Args:
        inputs: arrays in the structure in which they were given.
        targets: likewise; an array where the model has one output.
        non_finite_inputs: numbers among all inputs that are not finite.
        non_finite_targets: likewise among the targets.
        all_targets: the targets of all examples; None where only some were looked at.
        non_numeric: what holds no numbers, of "inputs" and "targets", with its dtype.
        batch_size: how many examples a batch of a dataset holds; None of arrays.
        examples: how many examples there are, as far as that is known without reading them.
    """

    inputs: Any
    targets: Any
    non_finite_inputs: int = 0
    non_finite_targets: int = 0
    all_targets: Any = None
    non_numeric: tuple = ()
    batch_size: int | None = None
    examples: int = 0

    def __len__(self) -> int:
        return len(self.leaves[0])

    @property
    def leaves(self) -> list[np.ndarray]:
        """List of the input arrays."""
        return keras.tree.flatten(self.inputs)

    def part(self, chosen: Any) -> tuple[Any, Any]:
        """Inputs and targets of the examples at some places."""
        return keras.tree.map_structure(lambda a: a[chosen], (self.inputs, self.targets))


def sample_of(x: Any, y: Any = None, most: int = _MOST_EXAMPLES) -> DataSample:
    """Takes some examples.

    Args:
        x: arrays, or a list or dict of them, with the targets as `y`; or batches `(x, y)`: a
            `keras.utils.PyDataset`, a `tf.data.Dataset`, a torch `DataLoader`, or what else can be
            iterated over. An iterator loses the batches that are taken.
        y: targets: an array, or a list or dict with one for each output.
        most: how many examples are taken at most.

    Returns:
        `DataSample`.

    Raises:
        ValueError: if these are no examples with a target each.
    """
    whole, batch_size = not _is_batched(x), None
    if whole:
        inputs, targets = keras.tree.map_structure(_as_array, _input_arrays(x)), _target_arrays(y)
    elif y is not None:
        raise ValueError(
            "Expected no `y` beside a dataset, whose batches hold the targets. Received: y of type "
            f"{type(y).__name__}."
        )
    else:
        inputs, targets, batch_size = _joined(_batches(x), most)
    kinds = {"inputs": keras.tree.flatten(inputs), "targets": keras.tree.flatten(targets)}
    _check_lengths(kinds["inputs"] + kinds["targets"])
    non_numeric = tuple(
        (name, str(array.dtype))
        for name, arrays in kinds.items()
        for array in arrays
        if not is_number(array.dtype)
    )
    count = len(kinds["targets"][0])
    places = np.arange(count)
    if count > most:
        places = np.sort(np.random.default_rng(0).choice(count, most, False))
    batches = getattr(x, "num_batches", None) if batch_size else None
    return DataSample(
        inputs=keras.tree.map_structure(lambda a: widened(a[places]), inputs),
        targets=keras.tree.map_structure(lambda a: widened(a[places]), targets),
        non_finite_inputs=sum(_non_finite(array) for array in kinds["inputs"]),
        non_finite_targets=sum(_non_finite(array) for array in kinds["targets"]),
        all_targets=targets if whole else None,
        non_numeric=non_numeric,
        batch_size=batch_size,
        examples=batches * batch_size if batches and batch_size else count,
    )


def sort_keys(targets: np.ndarray) -> np.ndarray:
    """By example its class or amount; 0 where the targets are no numbers."""
    if targets.dtype.kind not in "fiub":
        return np.zeros(len(targets))
    flat = targets.reshape(len(targets), -1)
    return flat.argmax(axis=1) if flat.shape[1] > 1 else flat[:, 0]


def _is_batched(x):
    return not isinstance(x, list | tuple | dict | str) and not hasattr(x, "shape")


def _input_arrays(x):
    listed = isinstance(x, list | tuple) and not all(hasattr(part, "shape") for part in x)
    return np.asarray(x) if listed else x


def _target_arrays(y):
    """The targets of one output as an array, of several in the structure in which they came."""
    if y is None:
        raise ValueError(
            "Expected targets as `y`, or a dataset of batches `(x, y)` as `x`. Received: y=None."
        )
    if isinstance(y, dict):
        return _only({name: _as_array(part) for name, part in y.items()}, list(y.values()))
    if isinstance(y, list | tuple) and all(hasattr(p, "shape") and len(p.shape) for p in y):
        return _only([_as_array(part) for part in y], y)
    return _as_array(y)


def _only(arrays, parts):
    return _as_array(parts[0]) if len(parts) == 1 else arrays


def _as_array(leaf):
    """A leaf of any library as a NumPy array; objects that are numbers as numbers."""
    if hasattr(leaf, "toarray"):  # SciPy's sparse matrices
        leaf = leaf.toarray()
    if hasattr(leaf, "to_numpy"):  # pandas
        leaf = leaf.to_numpy()
    if not isinstance(leaf, np.ndarray) and keras.ops.is_tensor(leaf):
        return keras.ops.convert_to_numpy(leaf)
    array = np.asarray(leaf)
    if array.dtype != object or not array.size:
        return array
    try:
        return keras.ops.convert_to_numpy(keras.ops.convert_to_tensor(array, dtype="float32"))
    except Exception:  # the backend takes none: so says the dtype
        return array


def _check_lengths(arrays):
    if any(array.ndim == 0 for array in arrays):
        raise ValueError(
            "`x` and `y` must be arrays, one row an example, or a dataset of batches. Received "
            f"shapes: {[array.shape for array in arrays]}. Call `.batch(32)` on a dataset that is "
            "not batched."
        )
    lengths = [len(array) for array in arrays]
    if len(set(lengths)) != 1 or lengths[0] == 0:
        raise ValueError(
            "`x` and `y` must have one row an example, and as many of them. Received lengths: "
            f"{lengths}."
        )


def _batches(x):
    """Some batches; of a dataset that can be asked for any, evenly spread ones."""
    if isinstance(x, keras.utils.PyDataset):
        count = x.num_batches
        if count is None:
            return (x[number] for number in range(_MOST_BATCHES))
        chosen = np.unique(np.linspace(0, max(count - 1, 0), min(count, _MOST_BATCHES)).astype(int))
        return (x[int(number)] for number in np.random.default_rng(0).permutation(chosen))
    try:
        return itertools.islice(iter(x), _MOST_BATCHES)
    except TypeError as error:
        raise ValueError(
            "Expected arrays as `x`, or a dataset of batches `(x, y)`. Received: an object of type "
            f"{type(x).__name__}, which cannot be iterated over."
        ) from error


def _joined(batches, most):
    """Inputs and targets of enough batches that are alike, and the size of the first."""
    kept: list[tuple] = []
    count = 0
    for batch in batches:
        x, y, _ = keras.utils.unpack_x_y_sample_weight(batch)
        x, y = keras.tree.map_structure(_as_array, x), _target_arrays(y)
        leaves = [*keras.tree.flatten(x), *keras.tree.flatten(y)]
        _check_lengths(leaves)
        shapes = [leaf.shape[1:] for leaf in leaves]
        if kept and shapes != kept[0][2]:
            continue  # sequences of another length: no matrix can be made of both
        kept.append((x, y, shapes))
        count += len(leaves[-1])
        if count >= most:
            break
    if not kept:
        raise ValueError("Expected a dataset with at least one batch. Received: an empty one.")
    pairs = [(x, y) for x, y, _ in kept]
    joined = keras.tree.map_structure(lambda *parts: np.concatenate(parts), *pairs)
    return (*joined, len(keras.tree.flatten(kept[0][0])[0]))


def _non_finite(array):
    if array.dtype.kind in "iub" or not is_number(array.dtype):
        return 0
    return int(np.sum(~np.isfinite(array)))
