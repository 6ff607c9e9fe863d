"""Labels in the encoding that the loss takes."""

from keras_dlnotes.remedies.draft import Remedy


def _from_zero(targets):
    lowest = targets.min()
    return lambda y: y - lowest


# (what it does, the code, what learns it from the training targets)
_ENCODINGS = {
    "from_zero": ("classes counted from 0", "y = y - y.min()", _from_zero),
    "zero_one": (
        "the labels -1 and 1 as 0 and 1",
        'y = (y > 0).astype("float32")',
        lambda targets: lambda y: (y > 0).astype("float32"),
    ),
}


def _apply(draft, encoding):
    learn = _ENCODINGS[encoding][2]

    def examples(inputs, targets):
        encode = learn(targets)
        return lambda x, y: (x, encode(y))

    draft.examples.append(examples)


LABELS = Remedy(
    "labels",
    _apply,
    lambda facts, encoding: _ENCODINGS[encoding][0],
    lambda facts, encoding: [_ENCODINGS[encoding][1]],
)
