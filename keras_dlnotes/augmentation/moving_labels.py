"""Labels and weights that move with their images: segmentation masks, images, pixel weights."""

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

KINDS = ("auto", "fixed", "mask", "image")
# Names under which labels hold places in the image, whatever their shape.
_PLACES = ("box", "point", "landmark")
_WHAT_TO_DO = (
    "Say what it is by `labels`: 'fixed' leaves it as it is, 'mask' and 'image' move it along; for "
    'one of several, `labels={"name": "fixed"}`. Boxes and points cannot be moved along: apply '
    "Keras's layers to them in the data set, which take `bounding_boxes`."
)


def kinds_of(
    parts: Sequence[Any], labels: Any, size: Sequence[int | None], channels_first: bool
) -> list[str]:
    """How labels and weights follow their images, in the order of `keras.tree.flatten`.

    Args:
        parts: `(x,)`, `(x, y)` or `(x, y, sample_weight)`, of what has a `shape`, examples first.
        labels: One of `KINDS`, or a structure of them like that of y.
        size: The images' (height, width).
        channels_first: Whether channels come before height and width.

    Returns:
        `"fixed"`, `"mask"` or `"image"` for each label and weight.

    Raises:
        ValueError: if a label may hold places in the image and `labels` does not say so, or says
            what cannot be.
    """
    image, *rest = parts
    _check_said(labels, rest[0] if rest else None)
    kinds = []
    for path, leaf in keras.tree.flatten_with_path(tuple(rest)):
        is_weight = path[0] == 1
        said = ("fixed" if labels == "fixed" else "auto") if is_weight else _said(labels, path[1:])
        name = "sample_weight" if is_weight else "label"
        name = " ".join([name, *(repr(step) for step in path[1:])])
        kinds.append(_kind(said, name, leaf, leaf is image, size, channels_first))
    return kinds


def image_size(shape: Sequence[int | None], channels_first: bool) -> tuple[Any, ...]:
    """(height, width) of images of that shape, examples first."""
    return tuple(shape[2:4] if channels_first and len(shape) == 4 else shape[1:3])


def as_pixels(array: np.ndarray, size: Sequence[int | None], channels_first: bool) -> np.ndarray:
    """An array [n, ...] as [n, height, width, channels]."""
    array = np.moveaxis(array, _axes(array.shape, size, channels_first), (1, 2))
    return array.reshape(*array.shape[:3], -1)


def as_before(
    pixels: np.ndarray, array: np.ndarray, size: Sequence[int | None], channels_first: bool
) -> np.ndarray:
    """New pixels in the layout of the `array` that the old ones were taken from."""
    axes = _axes(array.shape, size, channels_first)
    others = [length for axis, length in enumerate(array.shape) if axis not in (0, *axes)]
    return np.moveaxis(pixels.reshape(*pixels.shape[:3], *others), (1, 2), axes)


def _axes(
    shape: Sequence[int | None], size: Sequence[int | None], channels_first: bool
) -> tuple[int, int]:
    """The axes of height and width: those of the images' size, or as `channels_first` says."""
    rank = len(shape)
    last, first = (1, 2), (rank - 2, rank - 1)
    wanted, other = (first, last) if channels_first and rank > 3 else (last, first)
    fits = {axes: tuple(shape[axis] for axis in axes) == tuple(size) for axes in (wanted, other)}
    return other if fits[other] and not fits[wanted] and rank > 3 else wanted


def _kind(
    said: str,
    name: str,
    leaf: Any,
    is_image: bool,
    size: Sequence[int | None],
    channels_first: bool,
) -> str:
    shape = getattr(leaf, "shape", None)
    if leaf is None or said == "fixed":
        return "fixed"
    shape = None if shape is None or getattr(shape, "rank", 0) is None else tuple(shape)
    if shape is None:
        raise ValueError(f"Expected a {name} of known shape. Received: {leaf}. {_WHAT_TO_DO}")
    own = None
    if len(shape) >= 3:
        own = tuple(shape[axis] for axis in _axes(shape, size, channels_first))
    if said in ("mask", "image"):
        if own is None or None in own or 0 in own:
            raise ValueError(
                f"Expected a {name} with the height and width of an image, to be moved along as "
                f"`labels` says ({said!r}). Received: shape {shape}. {_WHAT_TO_DO}"
            )
        return said
    if not name.startswith("sample_weight") and any(p in name.lower() for p in _PLACES):
        raise ValueError(
            f"Expected labels that stay where they are or lie over their images. Received: {name}"
            f" of shape {shape}, which by its name holds places in the image. {_WHAT_TO_DO}"
        )
    if own == tuple(size):
        return "image" if is_image else "mask"
    lengths = [length for length in size if length is not None]
    pixels = math.prod(lengths) if len(lengths) == len(size) else None
    flattened = pixels is not None and pixels > 1 and shape[1:2] == (pixels,)
    if len(shape) < 3 and not flattened:
        return "fixed"
    raise ValueError(
        f"Expected labels of one or two axes, or of the images' height and width {tuple(size)}. "
        f"Received: {name} of shape {shape}, which may hold places in the image. {_WHAT_TO_DO}"
    )


def _said(labels: Any, path: Sequence[Any]) -> str:
    for step in path:
        if isinstance(labels, str):
            break
        labels = labels.get(step, "auto") if isinstance(labels, dict) else labels[step]
    return labels


def _check_said(labels: Any, targets: Any) -> None:
    """Checks that what is said about the labels is known and of their structure."""
    if isinstance(labels, str) and labels in KINDS[: 2 if targets is None else None]:
        return
    if isinstance(labels, dict) and isinstance(targets, dict) and set(labels) <= set(targets):
        for key, said in labels.items():
            _check_said(said, targets[key])
        return
    both = (labels, targets)
    if all(isinstance(each, (list, tuple)) for each in both) and len(labels) == len(targets):
        for said, target in zip(*both, strict=True):
            _check_said(said, target)
        return
    received = (
        f"labels of the keys {sorted(map(str, targets))}"
        if isinstance(targets, dict)
        else f"{len(targets)} labels"
        if isinstance(targets, (list, tuple))
        else "no labels"
        if targets is None
        else "one label"
    )
    raise ValueError(
        f"Expected `labels` to be one of {KINDS}, or these in the structure of the labels. "
        f"Received: labels={labels!r} with {received}."
    )
