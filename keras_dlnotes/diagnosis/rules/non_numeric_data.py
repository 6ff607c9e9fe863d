"""Words where numbers are expected."""

from keras_dlnotes.diagnosis.evidence import Evidence
from keras_dlnotes.diagnosis.finding import Finding


def non_numeric_data(evidence: Evidence) -> list[Finding]:
    """A loss compares numbers, and a layer multiplies them; words are neither.

    Threshold: none. Inputs count only where the model takes no text.

    Reference: Keras, `keras.layers.StringLookup` and `keras.layers.TextVectorization`.
    """
    if not evidence.non_numeric:
        return []
    found = dict(evidence.non_numeric)
    remedies = {
        "targets": "Number the classes: numpy.unique(y, return_inverse=True)[1].",
        "inputs": "Encode words as numbers (keras.layers.StringLookup, "
        "keras.layers.TextVectorization), and convert numbers: x.astype('float32').",
    }
    return [
        Finding(
            cause="non_numeric_data",
            symptom=f"The {' and '.join(found)} are no numbers but text or Python objects.",
            explanation="No layer and no loss can compute with them.",
            remedy=" ".join(remedies[name] for name in found),
            confidence=0.99,
            evidence={f"dtype of the {name}": dtype for name, dtype in found.items()},
            part="keras.layers.StringLookup",
            explains=("labels_do_not_fit_loss", "target_shape_mismatch", "error_in_training", "*"),
        )
    ]
