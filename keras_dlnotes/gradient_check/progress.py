"""A progress bar for checks that take longer than a second."""

import sys
import time
from typing import Any, Literal

import keras

_SECONDS_BEFORE = 1.0


class Progress:
    """Keras's own bar, counting the losses evaluated; silent in the first second.

    How many will be needed is not known: a check goes into detail only where it finds a fault.

    Args:
        verbose: 0 for never, 1 for always, "auto" for a terminal or a notebook only.
    """

    def __init__(self, verbose: int | Literal["auto"]) -> None:
        interactive = sys.stdout.isatty() or hasattr(sys, "ps1") or "ipykernel" in sys.modules
        self._shown = bool(verbose) if verbose != "auto" else interactive
        self._start = time.perf_counter()
        self._count = 0
        self._bar: Any = None

    def advance(self, count: int) -> None:
        """Counts evaluations."""
        self._count += count
        if self._shown and time.perf_counter() - self._start >= _SECONDS_BEFORE:
            if self._bar is None:
                self._bar = keras.utils.Progbar(None, unit_name="loss")
            self._bar.update(self._count)

    def close(self) -> None:
        """Ends the line."""
        if self._bar is not None:
            self._bar.update(self._count, finalize=True)
