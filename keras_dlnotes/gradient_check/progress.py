"""A progress line for checks that take longer than a second."""

import sys
import time

_SECONDS_BEFORE = 1.0
_SECONDS_BETWEEN = 0.2


class Progress:
    """Shows on one line how many losses have been evaluated; silent in the first second.

    The number to come is not known: a check goes into detail only where it finds a fault.

    Args:
        verbose: 0 for never, 1 for always, "auto" for a terminal or a notebook only.
    """

    def __init__(self, verbose):
        interactive = sys.stdout.isatty() or hasattr(sys, "ps1") or "ipykernel" in sys.modules
        self._shown = bool(verbose) if verbose != "auto" else interactive
        self._start = time.perf_counter()
        self._last = self._start + _SECONDS_BEFORE - _SECONDS_BETWEEN
        self._count = 0
        self._drawn = False

    def advance(self, count):
        """Counts evaluations."""
        self._count += count
        now = time.perf_counter()
        if self._shown and now - self._last >= _SECONDS_BETWEEN:
            self._last = now
            self._drawn = True
            seconds = now - self._start
            sys.stdout.write(f"\rGradient check: {self._count} losses in {seconds:.0f} s")
            sys.stdout.flush()

    def close(self):
        """Ends the line."""
        if self._drawn:
            sys.stdout.write("\n")
