"""How many inputs feed one unit: the n_prev of the notes' initializers."""

import math
from collections.abc import Sequence
from typing import Literal, get_args

from keras_dlnotes.numerics.number_arguments import is_whole_number

# How a kernel is laid out; see `inputs_per_unit`.
Layout = Literal["dense", "depthwise", "transpose"]
LAYOUTS: tuple[Layout, ...] = get_args(Layout)


def inputs_per_unit(
    shape: Sequence[int],
    layout: Layout = "dense",
    strides: int | Sequence[int] = 1,
    input_axes: Sequence[int] | None = None,
) -> float:
    """Counts the inputs that feed one output unit through a kernel of the given shape.

    A unit computes z = Σ w·x over its n_prev inputs. With independent inputs of variance 1 and
    weights of variance σ², Var(z) = n_prev · σ², which is what Xavier and He divide by.

    | layout | kernel shape | n_prev |
    |---|---|---|
    | `"dense"`, convolutions too | `(*kernel_size, channels, units)` | all but the last axis |
    | `"depthwise"` | `(*kernel_size, channels, multiplier)` | `kernel_size` |
    | `"transpose"` | `(*kernel_size, units, channels)` | `kernel_size` × channels / `strides` |
    | `input_axes` given: einsum | any | the axes that are summed over |

    A grouped convolution's kernel holds channels / groups, so the dense layout counts it as it is.
    A transposed convolution spreads each input over `kernel_size` outputs, and there are
    `strides` times as many outputs as inputs: a unit is fed by `kernel_size / strides` inputs per
    channel on average, which need not be a whole number.

    Args:
        shape: The kernel's shape.
        layout: One of `"dense"`, `"depthwise"`, `"transpose"`.
        strides: The transposed convolution's strides; 1 in all other layouts.
        input_axes: The kernel's axes that one unit sums over; with the dense layout only.

    Returns:
        n_prev, at least one where every axis is.

    Raises:
        ValueError: if the arguments contradict each other or the shape.
    """
    shape = tuple(int(size) for size in shape)
    check_layout(layout, strides, input_axes)
    if input_axes is not None:
        if any(not -len(shape) <= axis < len(shape) for axis in input_axes):
            raise ValueError(
                f"Expected `input_axes` to be axes of a kernel of shape {shape}. "
                f"Received: input_axes={tuple(input_axes)}."
            )
        return float(math.prod(shape[axis] for axis in input_axes))
    if layout == "dense":
        # A vector of n weights is one unit fed by n inputs.
        return float(math.prod(shape if len(shape) == 1 else shape[:-1]))
    if len(shape) < 3:
        raise ValueError(
            f"Expected a convolution kernel of at least three axes for layout={layout!r}. "
            f"Received: shape={shape}. Use layout='dense' for a matrix."
        )
    kernel_size = shape[:-2]
    if layout == "depthwise":
        return float(math.prod(kernel_size))
    if isinstance(strides, Sequence) and len(strides) != len(kernel_size):
        raise ValueError(
            f"Expected one stride for each of the {len(kernel_size)} spatial axes of the kernel "
            f"shape {shape}, or one number for all. Received: strides={strides}."
        )
    strides = tuple(strides) if isinstance(strides, Sequence) else (strides,) * len(kernel_size)
    return math.prod(kernel_size) * shape[-1] / math.prod(strides)


def check_layout(
    layout: Layout, strides: int | Sequence[int], input_axes: Sequence[int] | None
) -> None:
    """Raises ValueError unless layout, strides and input axes can describe one kernel."""
    if layout not in LAYOUTS:
        raise ValueError(f"Expected `layout` to be one of {LAYOUTS}. Received: layout={layout!r}.")
    sizes = tuple(strides) if isinstance(strides, Sequence) else (strides,)
    if not sizes or any(not is_whole_number(size) or size < 1 for size in sizes):
        raise ValueError(
            "Expected `strides` to be a positive integer or a sequence of them. "
            f"Received: strides={strides!r}."
        )
    if layout != "transpose" and any(size != 1 for size in sizes):
        raise ValueError(
            "Strides change the number of inputs per unit in a transposed convolution only. "
            f"Received: strides={strides!r} with layout={layout!r}. Leave `strides` out, or pass "
            "layout='transpose'."
        )
    if input_axes is not None and layout != "dense":
        raise ValueError(
            "`input_axes` says by itself which axes a unit sums over. "
            f"Received: input_axes={tuple(input_axes)} with layout={layout!r}. Pass one of the two."
        )
