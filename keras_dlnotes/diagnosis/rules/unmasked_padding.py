"""Padding that a recurrent layer reads as words."""

from keras_dlnotes.diagnosis.finding import Finding

MUCH = 0.4


def unmasked_padding(evidence):
    """What a recurrent layer reads last counts most, and zeros behind a text wash it out.

    With a forget gate of 0.73, its start, 12 steps of padding leave 2 % of what was read.

    Threshold: the run could have gone better, 40 % of a typical text is 0 before the first or
    behind the last word, and a recurrent layer was given no mask.

    Reference: Dwarampudi and Reddy, "Effects of padding on LSTMs and CNNs", 2019; Keras, "Masking
    and padding".
    """
    padding = evidence.padding
    if padding is None or padding < MUCH or not evidence.unmasked:
        return []
    if not (evidence.could_be_better or evidence.hardly_learned):
        return []
    return [
        Finding(
            cause="padding_not_masked",
            symptom=f"{padding:.0%} of a text is padding, and the layer reads it as words.",
            explanation="A recurrent layer forgets step by step: behind so many zeros little is "
            "left of the text. No mask reached the layer.",
            remedy="Use mask_zero=True in the embedding, and between it and the layer only layers "
            "that hand on the mask; or cut the texts.",
            confidence=0.85,
            evidence={"share of padding": padding, "upper threshold": MUCH},
            layer=evidence.unmasked[0],
            part="keras.layers.Embedding(mask_zero=True)",
            fix={"mask_zero": True},
            explains=(
                "stuck_at_trivial_predictor",
                "underfitting",
                "too_few_epochs",
                "vanishing_gradients",
                "learning_rate_too_low",
                "saturated_units",
            ),
        )
    ]
