"""Every search of a test gets a folder of its own."""

import pytest


@pytest.fixture
def where(tmp_path):
    """Arguments that put a search into a new folder and keep it quiet."""
    return {"directory": tmp_path, "verbose": 0}
