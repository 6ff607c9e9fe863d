"""A database's URL as users write it gets a driver that is installed, and no message a password."""

import sys

import pytest

from keras_dlnotes.tuning import RandomSearch
from keras_dlnotes.tuning.database_url import database_url
from tests.landscape_model import constant

pytestmark = pytest.mark.any_backend

pytest.importorskip("psycopg", reason="left out: psycopg is not installed")


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_psycopg_is_taken_where_it_is_installed(scheme):
    url = database_url(f"{scheme}://tuner:p%40ss@host:5433/studies?sslmode=require")
    whole = "postgresql+psycopg://tuner:p%40ss@host:5433/studies?sslmode=require"
    assert url.render_as_string(hide_password=False) == whole


def test_psycopg2_is_taken_where_it_is_the_one_installed(monkeypatch):
    class Driver:
        __version__ = "2.9.9 (dt dec pq3 ext lo64)"
        paramstyle = "pyformat"

    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.setitem(sys.modules, "psycopg2", Driver)
    assert database_url("postgresql://user@host/db").drivername == "postgresql+psycopg2"


def test_what_to_install_is_said(tmp_path, monkeypatch):
    for driver in ("psycopg", "psycopg2"):
        monkeypatch.setitem(sys.modules, driver, None)
    for url in ("postgresql://user@host/db", "postgresql+psycopg2://user@host/db"):
        with pytest.raises(ImportError, match=r"Expected .* driver .*keras_dlnotes\[postgresql\]"):
            RandomSearch(constant, directory=tmp_path, storage=url)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "url",
    [
        "mysql://user:secret@host/db",
        "postgresql+unknown://user:secret@host/db",
        "postgresql+asyncpg://user:secret@host/db",
        "postgresql:/user:secret@host/db",
        "postgresql://user:secret@host:port/db",
    ],
)
def test_no_message_shows_the_password(url):
    with pytest.raises(ValueError, match="Expected as storage") as error:
        database_url(url)
    assert "secret" not in str(error.value)
