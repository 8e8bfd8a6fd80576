"""Tests of the page that shows the API, in a browser."""

import shutil

import pytest
from helpers.api import assert_problem, in_service
from helpers.served import served

from movierec_jax.serve.routes import pages

CHROMIUM = shutil.which("chromium")

has_swagger = pytest.mark.skipif(pages.swagger_folder() is None, reason="fastapi-offline is not installed")


@has_swagger
def test_the_page_names_files_of_this_server_only(client):
    found = client.get("/docs")
    assert "default-src 'self'" in found.headers["content-security-policy"]
    text = found.text
    assert "//" not in text
    assert "<script>" not in text
    for name in (*pages.SWAGGER_FILES, "start.js"):
        assert f'"docs/{name}"' in text
        assert client.get(f"/docs/{name}").status_code == 200


def test_without_swagger_ui_the_page_says_what_to_install(engine, tmp_path, monkeypatch):
    monkeypatch.setattr(pages, "SWAGGER_PACKAGE", "no_such_package")
    with in_service(tmp_path, engine) as client:
        assert_problem(client.get("/docs"), 404, "pip install -e '.[serve]'")


@pytest.mark.slow
@has_swagger
@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
def test_the_page_sends_requests_with_the_token_that_it_asks_for(films_workdir, tmp_path):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    workdir = shutil.copytree(films_workdir, tmp_path / "run")
    (tmp_path / "tokens.txt").write_text("first-token-of-two\n")
    complaints, hosts = [], set()
    with (
        served(workdir, f"--tokens_file={tmp_path / 'tokens.txt'}") as (address, _),
        playwright.sync_playwright() as one,
    ):
        browser = one.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        page.on("console", lambda message: complaints.append((message.type, message.text)))
        page.on("request", lambda request: hosts.add(request.url.split("/")[2]))
        page.on("dialog", lambda dialog: dialog.accept("first-token-of-two"))
        page.goto(f"{address}/docs")
        page.locator("#operations-state-get_model .opblock-summary-control").click()
        page.get_by_role("button", name="Try it out").click()
        page.get_by_role("button", name="Execute").click()
        page.locator(".live-responses-table").get_by_text('"num_movies"').wait_for()
        browser.close()
    assert hosts == {address.removeprefix("http://")}
    assert [text for kind, text in complaints if kind == "error" and "401" not in text] == []
