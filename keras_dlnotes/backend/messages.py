"""What the package says while it works: printed as Keras prints, and logged."""

import logging

import keras

LOGGER = logging.getLogger("keras_dlnotes")


def tell(text: str, printed: bool = True) -> None:
    """Logs a message at the level INFO, and prints it where Keras prints its own.

    `keras.config.disable_interactive_logging()` ends the printing.

    Args:
        text: the message.
        printed: whether it is printed at all.
    """
    LOGGER.info(text.strip())
    if printed and keras.config.is_interactive_logging_enabled():
        print(text, flush=True)
