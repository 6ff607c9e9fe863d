"""Weights that start too large or too small."""

import numpy as np

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding, consequences_of_scale
from keras_dlnotes.diagnosis.remedy_wording import HE, better_start

LARGE = 4.0
SMALL = 0.2


def initial_scale(evidence: Evidence) -> list[Finding]:
    r"""A unit keeps the scale of its inputs if \(\sigma_w \sqrt{n_{prev}}\) is about 1 (He: 1.41).

    A layer that widens is not called small if \(\sigma_w \sqrt{(n_{prev} + n) / 2}\), Xavier's
    scale, is not: it keeps the gradients' size as much as the activations'.

    Thresholds: named where the run went wrong and the geometric mean over the hidden layers is
    above 4 or below 0.2. Over two layers this is a factor of 16 or 25; all of Keras's own
    initializers lie between 0.7 and 2 (Glorot's at a layer that widens or narrows fourfold).

    Reference: Glorot and Bengio, 2010, section 4.2; He et al., 2015, section 2.2.
    """
    gains = [
        (layer.gain, layer)
        for layer in evidence.model.hidden
        if layer.gain is not None
        and np.isfinite(layer.gain)
        and not layer.recurrent
        and not layer.identical_units
    ]
    if not gains or not evidence.went_wrong:
        return []
    mean = 1.0
    for gain, _ in gains:
        mean *= max(gain, 1e-12) ** (1 / len(gains))
    if SMALL < mean < LARGE:
        return []
    worst = max(gains, key=lambda pair: pair[0] if mean >= LARGE else -pair[0])
    size = "large" if mean >= LARGE else "small"
    # "linear" is said of a layer whose activation is a layer of its own.
    own = worst[1].activation
    name, part, fix = better_start(evidence.model, None if own == "linear" else own) or HE
    return [
        Finding(
            cause="initial_weights_too_" + size,
            symptom="The weights at the start of this fit change the scale of what passes through "
            f"a layer by {mean:.3g}.",
            explanation="Activations and gradients "
            + ("grow" if size == "large" else "shrink")
            + " by about this factor with each layer.",
            remedy=f"Initialize by the number of inputs, with {name}.",
            confidence=0.82,
            evidence={"mean gain of a hidden layer": mean}
            | ({"upper threshold": LARGE} if mean >= LARGE else {"lower threshold": SMALL}),
            layer=worst[1].name,
            part=f"kd.initializers.initialize(model, {part}())",
            fix={"initializer": fix},
            explains=(*consequences_of_scale(evidence), "vanishing_gradients", "too_few_epochs"),
        )
    ]
