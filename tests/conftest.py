"""What every test may ask for: databases, a browser, how much to do."""

import os
from collections.abc import Callable, Iterator

import hypothesis
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

import farthing
from tests import browser as chromium
from tests.databases import Databases, PostgresDatabases, SqliteFiles, start_postgres
from tests.kit import Clock, proved

LONG = os.environ.get("FARTHING_TEST_LONG") == "1"
POSTGRES_URL = pytest.StashKey[str]()

# Several workers share two cores: how long one example takes says nothing.
hypothesis.settings.register_profile("short", deadline=None, max_examples=100)
hypothesis.settings.register_profile("long", deadline=None, max_examples=2_000)
hypothesis.settings.load_profile("long" if LONG else "short")


def postgres_url(config: pytest.Config) -> str:
    """The one PostgreSQL server of this run; the first to ask starts it, and the controller tells its workers."""
    if hasattr(config, "workerinput"):
        return config.workerinput["postgres_url"]  # pyright: ignore[reportAttributeAccessIssue]
    if POSTGRES_URL not in config.stash:
        config.stash[POSTGRES_URL] = start_postgres(config.add_cleanup)
    return config.stash[POSTGRES_URL]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node) -> None:
    """pytest-xdist: called in the controller for each worker before it starts."""
    node.workerinput["postgres_url"] = postgres_url(node.config)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints what tests measured: `record_property("figure", "…")`."""
    figures = [
        value
        for report in terminalreporter.getreports("passed") + terminalreporter.getreports("failed")
        for name, value in report.user_properties
        if name == "figure" and report.when == "call"
    ]
    if figures:
        terminalreporter.section("figures")
        terminalreporter.write("".join(f"{figure}\n" for figure in figures))


@pytest.fixture
def count() -> Callable[[int, int], int]:
    """`count(small, full)`: how much a test marked `long` does, small in `make test`, full in `make test-long`."""
    return lambda small, full: full if LONG else small


@pytest.fixture(scope="session")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> SqliteFiles:
    """SQLite alone, for what is only true there."""
    return SqliteFiles(tmp_path_factory.mktemp("sqlite"))


@pytest.fixture(scope="session")
def postgresql(request: pytest.FixtureRequest) -> Iterator[PostgresDatabases]:
    """PostgreSQL alone, for what is only true there."""
    databases = PostgresDatabases(postgres_url(request.config))
    yield databases
    databases.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def databases(request: pytest.FixtureRequest) -> Databases:
    """Databases of one kind, for a test that wants several: `with databases.migrated() as url`. Runs for each kind."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def database_url(databases: Databases) -> Iterator[str]:
    """A migrated database of this test's own, on SQLite and on PostgreSQL."""
    with databases.migrated() as url:
        yield url


@pytest.fixture
def empty_database_url(databases: Databases) -> Iterator[str]:
    """A database of this test's own with nothing in it, on SQLite and on PostgreSQL."""
    with databases.empty() as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium without a window.

    One for each module and not for each worker: while Playwright runs, `asyncio.run` is refused in this thread.
    """
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium.find(), args=chromium.ARGUMENTS)
        yield running
        running.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A fresh page with cookies of its own."""
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.fixture
def clock() -> Clock:
    """A clock that stands at 1 January 2026 until the test moves it."""
    return Clock()


@pytest.fixture
def credits(database_url: str, clock: Clock) -> Iterator[farthing.Credits]:
    """The shop of tests/kit.py on a database of the test's own; after the test, `verify` proves what it left."""
    with proved(database_url, clock) as opened:
        yield opened
