"""Tests of the page while the server is busy, unreachable, late or asks for a token."""

import contextlib

import pytest
from helpers.page import listed, problem, stars, wait_for_other


@pytest.mark.slow
def test_a_busy_server_is_tried_again_after_its_wait(opened):
    page = opened(expected="503")
    first = listed(page)
    page.route(
        "**/v1/recommendations",
        lambda route: route.fulfill(**problem(503, "retry later", **{"Retry-After": "1"})),
        times=1,
    )
    stars(page, 0, 5).click()
    page.wait_for_selector(".notice")
    assert page.locator("#notices p").inner_text() == "The server is busy. Retry later. Trying again in 1 second."
    wait_for_other(page, first)
    assert page.locator(".notice").count() == 0


@pytest.mark.slow
def test_an_unreachable_server_shows_a_notice_until_reachable(opened):
    page = opened(expected="ERR_")
    first = listed(page)
    page.context.set_offline(True)
    stars(page, 0, 5).click()
    page.wait_for_selector(".notice")
    assert page.locator("#notices p").inner_text().startswith("The server cannot be reached.")
    page.context.set_offline(False)
    wait_for_other(page, first)
    page.wait_for_function("() => !document.querySelector('.notice')")


@pytest.mark.slow
def test_a_token_is_requested_once_per_session(opened):
    page = opened(expected="401")
    listed(page)

    def answer(route):
        is_right = route.request.headers.get("authorization") == "Bearer secret"
        route.continue_() if is_right else route.fulfill(**problem(401, "A bearer token is required"))

    page.route("**/v1/**", answer)
    page.reload()
    page.get_by_label("Token").fill("wrong")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('#token')?.value === ''")
    page.get_by_label("Token").fill("secret")
    page.keyboard.press("Enter")
    assert listed(page)
    page.reload()
    assert listed(page)
    assert page.locator(".notice").count() == 0


@pytest.mark.slow
def test_a_late_response_to_an_earlier_request_is_ignored(opened):
    sync_api = pytest.importorskip("playwright.sync_api")
    page = opened()
    first = listed(page)
    held = []
    page.route("**/v1/recommendations", lambda route: held.append(route), times=1)
    stars(page, 0, 5).click()
    while not held:
        page.wait_for_timeout(50)
    stars(page, 1, 1).click()
    newest = wait_for_other(page, first)
    late = {
        "movies": [{"movie_id": -1, "title": "Too late", "year": None, "genres": [], "rank": 1, "predicted_rating": 1}]
    }
    with contextlib.suppress(sync_api.Error):
        held[0].fulfill(json=late)
    page.wait_for_timeout(300)
    assert listed(page) == newest
