"""The size of a loss, and of its rounding: what a method must not depend on, or must allow for."""

from keras_dlnotes.backend import active

xp = active.arrays

# So many evaluations in turn that are level are enough.
MOST_LEVEL = 3


def rounding(loss, epsilon):
    """How much of a difference between two losses of about this size may be rounding."""
    return 10.0 * epsilon * xp.absolute(loss)


def promises_nothing(promise, length, control, epsilon):
    """Whether the method has converged: the next step promises a decrease that does not count.

    It does not if it is at most 10 epsilon |L|. Where a step promises at least |L| / 1000, and is
    thus on its way to the loss 0, it does not if the step is at most epsilon^(1/3) of the weights'
    length and the promise at most 100 epsilon F or epsilon^(4/3) (L_0 - L): F is what `recent_fall`
    returns, and L_0 - L by how much the loss has fallen in all.

    Args:
        promise: The decrease that the step promises, a scalar.
        length: The step's, a scalar.
        control: Has `loss`, `fall`, `whole_fall`, and as `extent` the largest |w| so far.
        epsilon: The dtype's rounding unit.
    """
    c = control
    # At the loss 0 nothing is below its rounding. F ends a method that converges fast towards it;
    # L_0 - L one that converges slowly, as at a minimum with a singular Hessian: it always promises
    # a part of its last fall. A loss that started at 1e40 is far from its minimum when it has
    # fallen to 1e10: there steps are still long.
    to_zero = promise >= 1e-3 * xp.absolute(c.loss)
    near = length <= epsilon ** (1.0 / 3.0) * c.extent
    least = xp.maximum(100.0 * epsilon * c.fall, epsilon ** (4.0 / 3.0) * c.whole_fall)
    return (promise <= rounding(c.loss, epsilon)) | (to_zero & near & (promise <= least))


def is_doubtful(promise, leverage, loss, epsilon):
    """Whether a step promises so little only because the method does not know the curvature.

    To first order, a change of one weight by its own size changes the loss by up to `leverage`.
    Where that is much, a step that promises little is far shorter than the weights. Either the loss
    is very steep, or weights are of such different scales that the pairs, which come from the
    steepest directions, say nothing about the flat ones, or the curvature has changed by orders of
    magnitude since the pairs were stored.

    Args:
        promise: The decrease that the step promises, a scalar.
        leverage: max_i |w_i dL/dw_i|, a scalar.
        loss: L, a scalar.
        epsilon: The dtype's rounding unit.
    """
    size = xp.absolute(loss)
    # A step that promises a part of the loss is on its way to the loss 0.
    little = (promise < epsilon ** (2.0 / 3.0) * leverage) & (promise < 1e-3 * size)
    return little & (leverage > epsilon**0.25 * size)


def first_length(loss, slope, point):
    """How long a first step may be where nothing is known of the curvature, a scalar.

    The smaller of 2 |L| / |g|, where a parabola that falls as the loss does has its minimum if that
    is 0, and |w|; 1 where both are 0. Both are measured as the weights are, so that no count of
    evaluations depends on the unit of the weights or of the loss.

    Args:
        loss: L, a scalar.
        slope: The loss's along the direction of the step, which has unit length; a scalar.
        point: w, [n].
    """
    size = xp.largest_magnitude(point)
    scaled = point / xp.where(size > 0.0, size, size * 0.0 + 1.0)
    size = size * xp.square_root(xp.dot(scaled, scaled))
    by_loss = 2.0 * xp.absolute(loss / slope)
    known = (by_loss > 0.0) & xp.is_finite(by_loss)
    shorter = xp.where(known & (by_loss < size), by_loss, size)
    length = xp.where(size > 0.0, shorter, xp.where(known, by_loss, size * 0.0 + 1.0))
    return xp.where(xp.is_finite(length), length, size * 0.0 + 1.0)


def recent_fall(before, fall):
    """By how much the loss falls lately: it says how large the terms of a loss near 0 have been.

    Older falls count less, by three quarters a step: a start at a huge loss is forgotten.

    Args:
        before: The recent fall before the last step, a scalar.
        fall: By how much the last step lowered the loss, a scalar.
    """
    return 0.25 * before + fall


def repeats(loss, accepted_loss, epsilon):
    """Whether the loss is the accepted one but for the rounding of a reordered sum.

    Keras takes it in float32 in places even where everything else is float64.
    """
    return xp.absolute(loss - accepted_loss) <= noise(accepted_loss, epsilon)


def noise(loss, epsilon):
    """How far two losses of about this size may be apart that are the same but for such a sum."""
    return max(epsilon**0.5, 1e-6) * xp.absolute(loss)


def is_level(loss, accepted_loss, promised, epsilon):
    """Whether a loss has not changed at all, where much more than rounding was promised.

    A smooth loss does not do that several times in turn; one that is computed in fewer digits than
    its dtype has, by quantized weights or a rounded output, is a staircase.
    """
    noise = rounding(accepted_loss, epsilon)
    return (xp.absolute(loss - accepted_loss) <= noise) & (promised > 100.0 * noise)


def known_unit(unit):
    """The unit; 1 before the first start, where it is still 0."""
    return xp.where(unit > 0.0, unit, unit * 0.0 + 1.0)


def change_unit(unit, begins, loss, gradient_norm):
    """The unit for what begins with this loss and gradient, and the old unit as a multiple of it.

    In a unit of their own no loss is so small or large that its square leaves the dtype's range,
    and no constant of a method depends on what the loss is measured in. Nothing else changes: a
    power of 2 is divided by without rounding.
    """

    def fresh():
        size = xp.maximum(xp.absolute(loss), gradient_norm)
        power = size * 0.0 + 1.0
        for exponent in (64, 32, 16, 8, 4, 2, 1):
            factor = 2.0**exponent
            power = xp.where(power * factor <= size, power * factor, power)
            power = xp.where((power > factor * size) & (size > 0.0), power / factor, power)
        return unit * xp.where((power > size) & (size > 0.0), power / 2.0, power)

    new = xp.conditional(begins, fresh, lambda: unit)
    return new, unit / new


def packing(kind):
    """How a method's scalars become one vector and back: `pack`, `unpack` and `read`.

    `read` takes a vector that is on the host, and gives Python numbers in the loss's unit.

    Args:
        kind: A `NamedTuple` of scalars, with `loss`, `gradient_norm` and `unit` among them.
    """

    def unpack(vector):
        control = kind(*xp.unstack(vector, len(kind._fields)))
        return control._replace(unit=known_unit(control.unit))

    def read(vector):
        c = kind(*[float(number) for number in vector])
        unit = c.unit or 1.0
        return c._replace(loss=c.loss * unit, gradient_norm=c.gradient_norm * unit)

    return xp.stack, unpack, read
