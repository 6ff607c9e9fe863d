"""Keeps what would be written, for tests and notebooks."""

from keras_dlnotes.summaries.event_protos import custom_scalars_value


class MemoryWriter:
    """Takes what an `EventFileWriter` takes and keeps it in dicts.

    Attributes:
        scalars: dict from tag to list of `(step, number)`.
        histograms: dict from tag to list of `(step, low, high, counts)`.
        texts: dict from tag to list of `(step, text)`.
        hparams: list of dicts of hyperparameters.
        findings: list of dicts, those that were added last.
        layers: dict from a statistic's tag to `(rows, [(step, vector), ...])`, for `kd.plots`.
    """

    def __init__(self):
        self.failure = None
        self.seconds = 0.0
        self.scalars = {}
        self.histograms = {}
        self.texts = {}
        self.custom_scalars = None
        self.hparams = []
        self.findings = []
        self.layers = {}

    def add_scalars(self, step, tags, numbers, wall_time=None):
        """Adds one number under each tag."""
        for tag, number in zip(tags, numbers, strict=True):
            self.scalars.setdefault(tag, []).append((step, float(number)))

    def add_histogram(self, step, tag, low, high, counts, wall_time=None):
        """Adds a histogram of equal bins between `low` and `high`."""
        self.histograms.setdefault(tag, []).append((step, low, high, counts))

    def add_layers(self, step, parts, wall_time=None):
        """Adds statistics of all layers, `[(tag, rows, values), ...]`."""
        for tag, rows, values in parts:
            self.layers.setdefault(tag, (rows, []))[1].append((step, values))

    def add_text(self, step, tag, text, wall_time=None):
        """Adds a text in Markdown."""
        self.texts.setdefault(tag, []).append((step, text))

    def add_findings(self, step, findings):
        """Keeps what a diagnosis found, instead of what it found before."""
        self.findings = list(findings)

    def add_custom_scalars(self, categories):
        """Keeps the layout of the custom-scalars dashboard."""
        self.custom_scalars = custom_scalars_value(categories)

    def add_hparams(self, hparams, group, succeeded, start, end):
        """Keeps a run's hyperparameters."""
        self.hparams.append(dict(hparams))

    def flush(self):
        """Does nothing: all is kept at once."""

    def close(self):
        """Does nothing: what was kept stays."""
