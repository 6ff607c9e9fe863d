"""Where a callback that reports now and then writes to, if anywhere."""

from keras_dlnotes.summaries import EventFileWriter


class ReportWriter:
    """An event file that is open while `fit` runs, a given writer, or nothing.

    Args:
        log_dir: folder for event files, or None.
        writer: what to write to instead, or None; whoever made it closes it.
    """

    def __init__(self, log_dir, writer):
        self._log_dir = log_dir
        self._given = writer
        self._writer = writer

    def open(self):
        """Opens the event file, and closes one that a `fit` that raised has left."""
        self.close()
        if self._given is None and self._log_dir is not None:
            self._writer = EventFileWriter(self._log_dir)

    def close(self):
        """Closes the event file; lets a given writer write what it holds."""
        if self._given is not None:
            self._given.flush()
        elif self._writer is not None:
            self._writer.close()
            self._writer = None

    def scalars(self, step, prefix, numbers):
        """Writes a dict of numbers under `prefix/<name>`."""
        if self._writer is not None and numbers:
            tags = tuple(f"{prefix}/{name}" for name in numbers)
            self._writer.add_scalars(step, tags, list(numbers.values()))

    def text(self, step, tag, text):
        """Writes a text, and sees to it that it is in the file."""
        if self._writer is not None:
            self._writer.add_text(step, tag, text)
            self._writer.flush()
