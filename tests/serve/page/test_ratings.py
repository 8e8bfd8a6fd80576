"""Tests of giving, undoing and keeping ratings on the page."""

import json
import re

import pytest
from helpers.page import PHONE, listed, rate, stars, titles, wait_for_other


def test_without_ratings_the_page_shows_popular_films_and_a_list(opened):
    page = opened()
    assert len(listed(page)) == 12
    assert "Forrest Gump" in titles(page, "#found")
    assert page.locator("#rated-part").is_hidden()
    assert page.locator("h1:visible").inner_text() == "Films for you"


def test_each_rating_changes_the_list_and_its_reasons(opened):
    page = opened()
    first = listed(page)
    rated = titles(page, "#found")[:3]
    lists = [first, rate(page, 0, 5), rate(page, 1, 4.5), rate(page, 2, 0.5)]
    assert len({tuple(titles) for titles in lists}) == 4
    assert not set(rated) & set(lists[-1])
    reasons = page.locator("#list .reasons").all_inner_texts()
    assert any(title in reason for title in rated for reason in reasons)
    assert any(re.search(r"Because you liked .+", reason) for reason in reasons)
    assert page.locator("#status").inner_text().startswith("List updated: 12 films, first")
    assert page.locator("#list .predicted").first.inner_text().endswith("predicted")
    assert page.locator("#rated-name").inner_text() == "Your ratings (3)"


@pytest.mark.slow
def test_ratings_stay_in_the_browser_until_removed_or_cleared(opened):
    page = opened()
    first = listed(page)
    rate(page, 0, 5)
    rated = rate(page, 3, 1)
    popular = titles(page, "#found")
    page.reload()
    assert listed(page) == rated
    assert not {popular[0], popular[3]} & {*titles(page, "#found")}
    assert stars(page, 1, 5, "#rated").is_checked()
    page.locator("#rated > li").first.get_by_role("button", name="Remove the rating").click()
    without = wait_for_other(page, rated)
    assert titles(page, "#rated") == popular[:1]
    page.get_by_role("button", name="Clear my ratings").click()
    assert wait_for_other(page, without) == first
    assert page.evaluate("localStorage.getItem('movierec ratings')") == "[]"


@pytest.mark.slow
def test_rated_films_unknown_to_the_server_are_removed(opened):
    page = opened(expected="Failed to load resource")
    listed(page)
    lost = {"movie_id": 10**9, "title": "Lost", "year": None, "genres": []}
    rate(page, 0, 5)
    add = """lost => {
        const kept = JSON.parse(localStorage.getItem("movierec ratings"));
        localStorage.setItem("movierec ratings", JSON.stringify([...kept, {movie: lost, rating: 3}]));
    }"""
    page.evaluate(add, lost)
    page.reload()
    assert listed(page)
    assert len(json.loads(page.evaluate("localStorage.getItem('movierec ratings')"))) == 1


@pytest.mark.slow
def test_films_can_be_rated_by_keyboard(opened):
    page = opened()
    first = listed(page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "skip"
    page.keyboard.press("Enter")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.type") == "radio":
            break
    page.keyboard.press("Space")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert stars(page, 0, 1.5).is_checked()
    assert stars(page, 0, 1.5).evaluate("radio => radio === document.activeElement")
    outline = page.locator("#found > li").first.locator(".rate-stars").evaluate("e => getComputedStyle(e).outlineStyle")
    assert outline == "solid"
    wait_for_other(page, first)
    page.keyboard.press("4")
    assert stars(page, 0, 4).is_checked()
    page.keyboard.press("Delete")
    assert page.locator("#found input:checked").count() == 0
    page.wait_for_function("() => document.querySelector('#rated-part').hidden")


@pytest.mark.slow
def test_a_second_tap_gives_half_a_star(opened):
    page = opened(viewport=PHONE, has_touch=True, is_mobile=True)
    listed(page)
    for half in (3.5, 4):
        field = page.locator("#found > li").first.locator(".rate-stars")
        assert field.bounding_box()["width"] >= 5 * 32
        stars(page, 0, half).tap()
        assert stars(page, 0, 4).is_checked()
        stars(page, 0, half).tap()
        assert stars(page, 0, 3.5).is_checked()
        page.locator("#found > li").first.get_by_role("button", name="Remove the rating").tap()


def test_a_rating_on_a_card_can_be_undone(opened):
    page = opened()
    first = listed(page)
    stars(page, 0, 4, "#list").click()
    without = wait_for_other(page, first)
    assert first[0] not in without
    assert titles(page, "#rated") == first[:1]
    page.get_by_role("button", name="Undo").click()
    assert wait_for_other(page, without) == first
    assert page.locator("#rated-part").is_hidden()


@pytest.mark.slow
def test_cleared_ratings_come_back_by_undo(opened):
    page = opened()
    popular = titles(page, "#found")
    for index, rating in (0, 5), (2, 0.5):
        mine = rate(page, index, rating)
    rated = titles(page, "#rated")
    page.get_by_role("button", name="Clear my ratings").click()
    cleared = wait_for_other(page, mine)
    assert page.locator("#undo-text").inner_text() == "Your ratings were cleared."
    assert page.locator("#rated-part").is_hidden()
    assert titles(page, "#found") == popular
    page.get_by_role("button", name="Undo").click()
    assert wait_for_other(page, cleared) == mine
    assert titles(page, "#rated") == rated
    page.reload()
    assert listed(page) == mine


@pytest.mark.slow
def test_undo_restores_only_the_film_that_was_rated(opened):
    ids = opened().evaluate(
        """async () => {
            const { LocalUser } = await import(new URL("page/users.js", document.baseURI));
            const user = new LocalUser(100);
            await user.rate({ movie_id: 1 }, 5);
            const takeBack = user.undo({ movie_id: 1 });
            await user.removeRating({ movie_id: 1 });
            await user.rate({ movie_id: 2 }, 4);
            await takeBack();
            return [...user.ratings.values()].map(({ movie, rating }) => [movie.movie_id, rating]);
        }"""
    )
    assert ids == [[1, 5], [2, 4]]


@pytest.mark.slow
def test_a_tapped_card_stays_in_place_and_clear_of_the_notice(opened):
    page = opened(viewport=PHONE, has_touch=True, is_mobile=True)
    listed(page)
    # Not every browser keeps in place what is seen.
    page.evaluate("document.body.style.overflowAnchor = 'none'")
    field = page.locator("#list > li").nth(4).locator(".rate")
    field.evaluate("field => scrollBy(0, field.getBoundingClientRect().bottom - innerHeight + 70)")
    before = field.bounding_box()
    assert before["y"] + before["height"] > 500
    field.locator('input[value="4"]').tap()
    page.wait_for_selector("#rated > li")
    page.wait_for_timeout(300)
    after, notice = field.bounding_box(), page.locator("#undo").bounding_box()
    assert after["y"] == pytest.approx(before["y"], abs=2)
    assert notice["y"] + notice["height"] <= after["y"]


@pytest.mark.slow
def test_a_card_rated_by_keyboard_stays_until_left(opened):
    page = opened()
    first = listed(page)
    page.locator("#list .title").first.focus()
    page.keyboard.press("Tab")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    assert stars(page, 0, 2.5, "#list").is_checked()
    page.wait_for_timeout(500)
    assert listed(page) == first
    page.keyboard.press("Tab")
    assert first[0] not in wait_for_other(page, first)
    page.keyboard.press("Control+z")
    page.wait_for_function("() => document.querySelector('#rated-part').hidden")
    assert listed(page) == first


@pytest.mark.slow
@pytest.mark.parametrize("view", ["#/", "#/user/3"])
def test_films_of_no_interest_are_not_listed_until_they_are_again(view, opened):
    page = opened(view)
    first = listed(page)
    page.get_by_role("button", name=f"Not interested in {first[0]}").click()
    without = wait_for_other(page, first)
    assert first[0] not in without
    page.reload()
    assert listed(page) == without
    page.get_by_text("Not interested (1)").click()
    page.get_by_role("button", name=f"Recommend {first[0]}").click()
    assert wait_for_other(page, without) == first
    page.get_by_role("button", name="Undo").click()
    assert wait_for_other(page, first) == without
    page.get_by_role("button", name=f"Recommend {first[0]}").click()
    assert wait_for_other(page, without) == first


@pytest.mark.slow
def test_the_watchlist_is_kept_in_the_browser(opened):
    page = opened()
    first = listed(page)
    for title in first[:2]:
        page.get_by_role("button", name=f"Watchlist: {title}").click()
    page.reload()
    listed(page)
    page.get_by_role("link", name="Watchlist").click()
    assert titles(page, "#watchlist-films") == first[1::-1]
    page.get_by_role("button", name=f"Watchlist: {first[0]}").last.click()
    page.wait_for_function("() => document.querySelectorAll('#watchlist-films > li').length === 1")
    page.get_by_role("button", name="Undo").click()
    page.wait_for_function("() => document.querySelectorAll('#watchlist-films > li').length === 2")
