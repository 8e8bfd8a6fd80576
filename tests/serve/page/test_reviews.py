"""Tests of what the page shows of reviews."""

import pytest
from helpers.page import PHONE, listed, stars, wait_for_other


@pytest.mark.slow
def test_the_praised_filter_narrows_the_list(opened, reviewed_address):
    page = opened(at=reviewed_address)
    everything = listed(page)
    page.locator("#filters summary").click()
    assert page.locator("#praised label").all_inner_texts() == ["acting", "music", "pace"]
    page.get_by_label("music", exact=True).check()
    assert wait_for_other(page, everything) == ["The Shawshank Redemption"]
    page.get_by_label("pace", exact=True).check()
    both = wait_for_other(page, ["The Shawshank Redemption"])
    assert {*both} == {"The Shawshank Redemption", "The Matrix"}
    assert page.locator("#filters-now").inner_text() == "praised for music, praised for pace"
    page.get_by_role("button", name="Clear filters").click()
    assert wait_for_other(page, both) == everything


@pytest.mark.slow
def test_details_show_reviews(opened, reviewed_address):
    page = opened(at=reviewed_address)
    listed(page)
    for title, text, praised, blamed in [
        ("Independence Day", "1% positive (4 reviews)", None, {"acting", "pace"}),
        ("The Shawshank Redemption", "99% positive (4 reviews)", {"acting", "music"}, None),
    ]:
        page.get_by_label("Find a film").fill(title)
        page.wait_for_function(
            "title => document.querySelector('#found .name')?.innerText.startsWith(title)", arg=title
        )
        page.locator("#found .title").first.click()
        page.wait_for_selector(".similar > li")
        dialog = page.get_by_role("dialog")
        assert dialog.get_by_role("heading", name="Reviews").is_visible()
        assert dialog.locator(".praise").inner_text() == text
        for name, aspects in ("Praised in reviews", praised), ("Criticised in reviews", blamed):
            chips = dialog.get_by_role("list", name=name)
            assert ({*chips.locator("li").all_inner_texts()} if chips.count() else None) == aspects
        page.keyboard.press("Escape")


@pytest.mark.slow
def test_praise_is_a_reason_and_blame_is_not(opened):
    page = opened()
    listed(page)
    names = ["genre=Drama", "praised=music", "praised=pace", "blamed=acting", "praise in texts", "review~12"]
    reasons = [{"source": "content", "feature": name, "stars": 0.1} for name in names]
    movie = {"movie_id": 1, "title": "Praised", "year": 1999, "genres": [], "predicted_rating": 4, "reasons": reasons}
    page.route("**/v1/recommendations", lambda route: route.fulfill(json={"movies": [movie]}))
    stars(page, 0, 5).click()
    page.wait_for_function("() => document.querySelector('#list .name').innerText === 'Praised'")
    assert page.locator("#list .reasons").inner_text() == "For its genre Drama and reviews praising its music and pace"


@pytest.mark.slow
def test_without_reviews_the_page_does_not_mention_them(opened):
    page = opened()
    listed(page)
    page.locator("#filters summary").click()
    assert page.locator("legend", has_text="Genres").is_visible()
    assert page.get_by_text("Praised for", exact=False).is_hidden()
    page.locator("#list .title").first.click()
    page.wait_for_selector(".similar > li")
    assert page.locator(".reviews").count() == 0


@pytest.mark.slow
def test_reviews_fit_a_phone(opened, reviewed_address):
    page = opened(at=reviewed_address, viewport=PHONE, has_touch=True, is_mobile=True)
    listed(page)
    page.locator("#filters summary").click()
    page.get_by_label("music", exact=True).check()
    page.wait_for_function("() => document.querySelectorAll('#list > li').length === 1")
    assert page.locator("#praised label").first.bounding_box()["height"] >= 40
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    page.locator("#list .title").click()
    page.wait_for_selector(".reviews")
    assert page.locator("#details").evaluate("dialog => dialog.scrollWidth - dialog.clientWidth") == 0
