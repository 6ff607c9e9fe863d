"""Padding that a recurrent layer reads as words."""

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding

MUCH = 0.4


def unmasked_padding(evidence: Evidence) -> list[Finding]:
    """What a recurrent layer reads last counts most, and zeros behind a text wash it out.

    With a forget gate of 0.73, its start, 12 steps of padding leave 2 % of what was read.

    Threshold: the run could have gone better, a recurrent layer that is given one step a token was
    given no mask, and 40 % of a typical text is 0 behind the last word: before the first for a
    layer that goes backwards, on either side for one that goes both ways. Zeros that are read
    before the text do no harm.

    Reference: Dwarampudi and Reddy, "Effects of padding on LSTMs and CNNs", 2019; Keras, "Masking
    and padding".
    """
    padded = [(name, share) for name, share in evidence.unmasked.items() if share >= MUCH]
    if not padded or not (evidence.could_be_better or evidence.hardly_learned):
        return []
    name, padding = padded[0]
    return [
        Finding(
            cause="padding_not_masked",
            symptom=f"{padding:.0%} of a text is padding that the layer reads last, as words.",
            explanation="A recurrent layer forgets step by step: behind so many zeros little is "
            "left of the text. No mask reached the layer.",
            remedy="Use mask_zero=True in the embedding, and between it and the layer only layers "
            "that hand on the mask; or pad on the other side; or cut the texts.",
            confidence=0.85,
            evidence={"share of padding": padding, "upper threshold": MUCH},
            layer=name,
            part="keras.layers.Embedding(mask_zero=True)",
            fix={"mask_zero": True},
            explains=(
                "stuck_at_trivial_predictor",
                "underfitting",
                "too_few_epochs",
                "vanishing_gradients",
                "saturated_units",
            ),
        )
    ]
