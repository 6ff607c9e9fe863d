"""Remedies that fit the run: its own optimizer, and no initializer that it has already."""

# (activation for which it is made, how it is called, its name in `Finding.fix`)
HE = ("He", "kd.initializers.He", "he")
_XAVIER = ("Xavier", "kd.initializers.Xavier", "xavier")
_SYMMETRIC = ("tanh", "hard_tanh", "softsign", "sigmoid", "hard_sigmoid", "sparse_sigmoid")


def optimizer_call(facts, **settings):
    """The run's own optimizer with other settings, as `keras.optimizers.SGD(learning_rate=0.05)`.

    Args:
        facts: `ModelFacts`.
        **settings: numbers.
    """
    if facts.momentum and "learning_rate" in settings:
        settings["momentum"] = facts.momentum
    # A learning rate is kept in float32: 0.0002 would be shown as 0.00019999999494757503.
    arguments = ", ".join(f"{name}={float(f'{value:.4g}')}" for name, value in settings.items())
    return f"{facts.optimizer_name or 'optimizer'}({arguments})"


def clipping(facts):
    """What to do against steps that are too large: a sentence's part, `part` and `fix`.

    A second-order optimizer has no learning rate and searches for the length of its step.
    """
    if facts.learning_rate is None:
        return None, None, {}
    sentence = f"lower the learning rate ({facts.learning_rate:g} now), pass clipnorm=1.0 to the "
    sentence += "optimizer"
    call = optimizer_call(facts, clipnorm=1.0)
    return sentence, call, {"learning_rate": facts.learning_rate / 100}


def better_start(facts, activation=None):
    """The initialization for an activation, unless the hidden layers have started with it.

    Args:
        facts: `ModelFacts`.
        activation: name of the activation function; by default the first in the hidden layers.

    Returns:
        Its name, its class and its name in `Finding.fix`; None where it would change nothing.
    """
    hidden = [layer for layer in facts.hidden if not layer.recurrent]
    if not hidden:
        return None
    inner = (layer.activation for layer in facts.layers if not layer.is_output)
    first = next((name for name in inner if name not in (None, "linear")), None)
    if (activation or first) in _SYMMETRIC:
        return None if all(layer.starts_as_xavier for layer in hidden) else _XAVIER
    return None if all(layer.starts_as_he for layer in hidden) else HE


def listed(*parts):
    """Joins what is not None to a sentence: "Do a, b, or c."."""
    *before, last = [part for part in parts if part]
    if not before:
        sentence = last
    else:
        sentence = ", ".join(before) + ("," if len(before) > 1 else "") + f" or {last}"
    return sentence[0].upper() + sentence[1:] + "."
