"""Methods of single objects, replaced for as long as a block of code runs."""

import contextlib


@contextlib.contextmanager
def patched(replacements):
    """Replaces methods on instances, and puts back exactly what was there.

    The instance dictionary is written directly: Keras, TensorFlow and torch all hook attribute
    assignment to track what is assigned, and a replaced method is nothing to be tracked.

    Args:
        replacements: list of `(object, method name, function)`.
    """
    before = []
    try:
        for item, name, function in replacements:
            attributes = item.__dict__
            before.append((attributes, name, name in attributes, attributes.get(name)))
            attributes[name] = function
        yield
    finally:
        for attributes, name, was_there, value in reversed(before):
            if was_there:
                attributes[name] = value
            else:
                attributes.pop(name, None)
