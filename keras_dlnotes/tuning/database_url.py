"""The URL of a study's database, with a driver that is installed."""

import importlib
from typing import Any

import sqlalchemy
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

# The first that can be imported is taken where the URL names none.
_POSTGRESQL_DRIVERS = ("psycopg", "psycopg2")
_INSTALL = 'pip install "keras_dlnotes[postgresql]"'


def database_url(url: Any) -> sqlalchemy.URL:
    """Reads a URL as users write it, and names the driver in it.

    `postgresql://user@host/database`, or `postgres://...`, gets the driver that is installed:
    which one SQLAlchemy would take depends on its version.

    Args:
        url: text.

    Returns:
        An `sqlalchemy.URL`; its text form hides the password.

    Raises:
        ValueError: If it is no URL of PostgreSQL or SQLite, or names a driver that can't be used.
        ImportError: If the driver is not installed.
    """
    if not isinstance(url, str):
        raise ValueError(_expected(f"{type(url).__name__} {url!r}"))
    # PostgreSQL's own programs know both names; SQLAlchemy knows one.
    scheme, separator, rest = url.partition("://")
    if scheme == "postgres":
        scheme = "postgresql"
    try:
        read = sqlalchemy.make_url(scheme + separator + rest)
    except (ArgumentError, ValueError):
        # It may hold a password, which belongs into no message.
        raise ValueError(
            _expected(f"text that is no URL and begins with {scheme[:12]!r}")
        ) from None
    if read.get_backend_name() not in ("postgresql", "sqlite"):
        raise ValueError(_expected(str(read)))
    if read.drivername == "postgresql":
        read = read.set(drivername=f"postgresql+{_installed_driver()}")
    _check_driver(read)
    return read


def _installed_driver() -> str:
    for driver in _POSTGRESQL_DRIVERS:
        try:
            importlib.import_module(driver)
        except ImportError:
            continue
        return driver
    raise ImportError(
        "Expected a driver for PostgreSQL, psycopg or psycopg2, to be installed. Found none. Run: "
        f"{_INSTALL}"
    )


def _check_driver(url: sqlalchemy.URL) -> None:
    try:
        dialect = url.get_dialect()
    except NoSuchModuleError:
        raise ValueError(_expected(f"{url}, whose driver SQLAlchemy does not know")) from None
    if dialect.is_async:
        raise ValueError(_expected(f"{url}, whose driver is asynchronous"))
    try:
        dialect.import_dbapi()
    except ImportError as error:
        raise ImportError(
            f"Expected the driver of {url} to be installed. Received: {error}. Install it, or "
            f"leave it out of the URL and run: {_INSTALL}"
        ) from error


def _expected(received: str) -> str:
    return (
        "Expected as storage None (a journal in `directory`), the URL of a PostgreSQL database "
        "such as 'postgresql://user@host/database', or of an SQLite file, 'sqlite:///study.db'. "
        f"Received {received}."
    )
