"""The page in a browser, served by scripts/serve.py with a small run on the bundled ratings."""

import contextlib
import shutil

import pytest
from helpers.served import served

CHROMIUM = shutil.which("chromium")
WIDE = {"width": 1280, "height": 900}
WAIT_MS = 30_000


@pytest.fixture(scope="module")
def address(films_workdir, tmp_path_factory):
    """Serves a small run and yields its address."""
    pytest.importorskip("fastapi", reason="the extra serve is not installed")
    with served(shutil.copytree(films_workdir, tmp_path_factory.mktemp("page") / "run")) as (address, _):
        yield address


@pytest.fixture(scope="module")
def reviewed_address(reviewed_workdir, tmp_path_factory):
    """Serves a run with reviews of a few films and yields its address."""
    with served(shutil.copytree(reviewed_workdir, tmp_path_factory.mktemp("page") / "run")) as (address, _):
        yield address


@pytest.fixture(scope="module")
def browser():
    """A browser, closed before other tests, since it keeps an event loop running."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def opened(browser, address):
    """Yields a function that opens a view in a new browser context. Any warning of the browser fails the test."""
    with contextlib.ExitStack() as contexts:
        complaints = []

        def open_view(view="#/", expected=None, at=address, **settings):
            context = contexts.enter_context(browser.new_context(**{"viewport": WIDE, **settings}))
            context.set_default_timeout(WAIT_MS)
            page = context.new_page()
            page.on("pageerror", lambda error: complaints.append(str(error)))

            def listen(message):
                if message.type in ("error", "warning") and not (expected and expected in message.text):
                    complaints.append(message.text)

            page.on("console", listen)
            page.goto(f"{at}/{view}")
            return page

        yield open_view
        assert complaints == []
