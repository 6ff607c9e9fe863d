"""The error of a search that cannot work, whatever the trial."""


class SearchRefused(ValueError):  # noqa: N818, a refusal is not the trial's error
    """What is asked of the search cannot work in any trial; no trial is spent on it."""
