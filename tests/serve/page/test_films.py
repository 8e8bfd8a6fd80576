"""Tests of finding films on the page: search, filters, details and map."""

import re

import pytest
from helpers.page import listed, rate, titles, wait_for_other


def test_search_tolerates_typos(opened):
    page = opened()
    listed(page)
    page.get_by_label("Find a film").fill("matrx")
    page.wait_for_function("() => document.querySelector('#found .name')?.innerText === 'The Matrix'")
    assert page.locator("#found-name").inner_text() == "Results for “matrx”"
    rate(page, 0, 5)
    assert titles(page, "#rated") == ["The Matrix"]


@pytest.mark.slow
def test_filters_narrow_the_list_and_can_be_cleared(opened):
    page = opened(expected="422")
    everything = listed(page)
    page.locator("#filters summary").click()
    page.get_by_label("Horror").check()
    horror = wait_for_other(page, everything)
    assert all("Horror" in facts for facts in page.locator("#list .facts").all_inner_texts())
    page.get_by_label("From").fill("1970")
    page.get_by_label("to", exact=True).fill("1989")
    seventies = wait_for_other(page, horror)
    assert all("(1970)" <= year <= "(1989)" for year in page.locator("#list .year").all_inner_texts())
    page.get_by_label("Variety").fill("0.8")
    wait_for_other(page, seventies)
    assert page.locator("#filters-now").inner_text() == "Horror, 1970 to 1989, variety 0.8"
    for first, last in ("1990", "1989"), ("1902", "1903"):
        page.get_by_label("From").fill(first)
        page.get_by_label("to", exact=True).fill(last)
        page.wait_for_selector("#list-empty:visible")
        assert "No films match" in page.locator("#list-empty").inner_text()
        page.get_by_label("From").fill("1980")
        page.get_by_label("to", exact=True).fill("1989")
        page.wait_for_selector("#list > li")
    narrow = listed(page)
    page.get_by_role("button", name="Clear filters").click()
    assert wait_for_other(page, narrow) == everything


@pytest.mark.slow
def test_reasons_distinguish_rated_from_reviewed_films(opened):
    reasons = [{"source": source, "title": title} for source, title in (("text", "Heat"), ("rated", "Alien"))]
    lines = opened().evaluate(
        """async (reasons) => {
            const { reasonLines } = await import(new URL("page/films.js", document.baseURI));
            return reasonLines(reasons, "they").map((line) => line.textContent);
        }""",
        reasons,
    )
    assert lines == ["Because they liked Alien", "Because they wrote about Heat"]


@pytest.mark.slow
def test_closing_the_details_returns_the_focus(opened):
    page = opened()
    first = listed(page)[0]
    title = page.locator("#list .title").first
    title.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    page.wait_for_selector(".similar > li")
    assert dialog.get_by_role("heading", level=2).inner_text().startswith(first)
    assert re.search(r"\(\d+ ratings\)", dialog.inner_text())
    similar = dialog.locator(".similar .name").first
    name = similar.inner_text()
    similar.click()
    page.wait_for_function("name => document.querySelector('#details-name').innerText.startsWith(name)", arg=name)
    dialog.get_by_role("button", name=f"← {first}").click()
    page.wait_for_function("name => document.querySelector('#details-name').innerText.startsWith(name)", arg=first)
    page.keyboard.press("Escape")
    assert dialog.is_hidden()
    assert title.evaluate("title => title === document.activeElement")


@pytest.mark.slow
def test_a_film_rated_in_the_dialog_leaves_the_list(opened):
    page = opened()
    first = listed(page)
    page.locator("#list .title").first.click()
    dialog = page.get_by_role("dialog")
    dialog.locator('input[value="2"]').click()
    page.wait_for_function("title => document.querySelector('#list .name').innerText !== title", arg=first[0])
    assert dialog.get_by_role("button", name="Undo").is_visible()
    page.keyboard.press("Escape")
    assert first[0] not in listed(page)
    page.wait_for_function("() => document.activeElement.id === 'list-name'")


@pytest.mark.slow
def test_the_map_works_by_keyboard_and_marks_rated_films(opened):
    page = opened()
    rate(page, 0, 5)
    page.get_by_role("link", name="Map").click()
    page.wait_for_selector("#legend > li")
    assert page.locator("#marks").inner_text().split("\n") == ["rated by you (1)", "recommended for you (12)"]
    canvas = page.locator("#canvas")
    canvas.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("+")
    page.keyboard.press("ArrowLeft")
    page.wait_for_function(
        "() => document.querySelector('#map-tip').innerText === document.querySelector('#status').innerText"
    )
    tip = page.locator("#map-tip").inner_text()
    page.keyboard.press("Enter")
    name = page.get_by_role("dialog").get_by_role("heading", level=2).inner_text()
    assert tip.startswith(name)
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == "canvas"


def drawn(page, before=""):
    """Returns the drawing of the map once it has changed."""
    page.wait_for_function("before => document.querySelector('#canvas').toDataURL() !== before", arg=before)
    return page.locator("#canvas").evaluate("canvas => canvas.toDataURL()")


@pytest.mark.slow
def test_the_map_moves_by_mouse_and_finds_a_film(opened):
    page = opened("#/map")
    page.wait_for_selector("#legend > li")
    blank = "canvas => Object.assign(document.createElement('canvas'), { width: canvas.width, height: canvas.height })"
    whole = drawn(page, page.locator("#canvas").evaluate(f"canvas => ({blank})(canvas).toDataURL()"))
    box = page.locator("#canvas").bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(*middle)
    page.mouse.wheel(0, -600)
    near = drawn(page, whole)
    page.mouse.down()
    page.mouse.move(middle[0] + 120, middle[1] + 60, steps=4)
    page.mouse.up()
    moved = drawn(page, near)
    page.locator("#legend button").first.click()
    drawn(page, moved)
    assert page.get_by_role("dialog").count() == 0
    page.get_by_role("link", name="For you").click()
    page.get_by_role("button", name="Forrest Gump (1994)", exact=True).first.click()
    page.get_by_role("button", name="Show on map").click()
    page.wait_for_selector("#map-tip:visible")
    assert page.locator("#map-tip").inner_text().startswith("Forrest Gump (1994)")


@pytest.mark.slow
def test_back_closes_the_details(opened):
    page = opened("#/map")
    page.get_by_role("link", name="For you").click()
    listed(page)
    dialog = page.get_by_role("dialog")
    for _ in range(2):
        page.locator("#list .title").first.click()
        page.wait_for_selector(".similar > li")
        page.keyboard.press("Escape")
        page.wait_for_function("() => !history.state")
    page.locator("#list .title").first.click()
    page.go_back()
    assert dialog.is_hidden()
    assert page.url.endswith("#/")
    page.go_back()
    assert page.url.endswith("#/map")


def details_name(page):
    page.wait_for_selector(".similar > li")
    return page.locator("#details-name").inner_text()


@pytest.mark.slow
@pytest.mark.parametrize("view", ["", "#/user/3", "#/map"])
def test_a_reload_keeps_the_details_open(view, opened):
    page = opened(view)
    page.wait_for_selector("#legend > li" if view == "#/map" else "#list > li")
    if view == "#/map":
        page.get_by_label("Search the map").fill("heat")
        page.keyboard.press("Enter")
        page.wait_for_selector("#map-tip:visible")
        page.locator("#canvas").focus()
        page.keyboard.press("Enter")
    else:
        page.locator("#list .title").first.click()
    details_name(page)
    page.locator(".similar .title").first.click()
    page.wait_for_selector(".details-bar >> text=←")
    name = details_name(page)
    page.reload()
    assert details_name(page) == name
    page.go_back()
    page.wait_for_selector("#details", state="hidden")
    assert "film=" not in page.url
    page.go_forward()
    assert details_name(page) == name
    page.keyboard.press("Escape")
    page.wait_for_function("() => !location.hash.includes('film=')")


@pytest.mark.slow
def test_an_address_names_a_film(opened):
    page = opened("#/watchlist?film=318", expected="404")
    assert details_name(page) == "The Shawshank Redemption (1994)"
    page.get_by_role("button", name="Close").click()
    page.wait_for_function("() => location.hash === '#/watchlist'")
    assert page.locator("h1:visible").inner_text() == "Watchlist"
    page.evaluate("location.hash = '#/?film=0'")
    page.wait_for_selector(".notice")
    assert page.locator(".notice").inner_text().startswith("Movie 0 not found.")
    assert page.evaluate("location.hash") == "#/"


@pytest.mark.slow
def test_closing_the_details_does_not_scroll_the_page(opened):
    page = opened("")
    listed(page)
    last = page.locator("#list .title").last
    last.scroll_into_view_if_needed()
    before = page.evaluate("scrollY")
    assert before > 0
    last.click()
    details_name(page)
    page.go_back()
    page.wait_for_selector("#details", state="hidden")
    assert page.evaluate("scrollY") == before


@pytest.mark.slow
def test_films_are_browsed_by_genre_decade_and_order(opened):
    page = opened()
    listed(page)
    page.get_by_label("Genre", exact=True).select_option("Horror")
    page.get_by_label("Decade").select_option("1980s")
    page.get_by_label("Order").select_option("Newest")
    page.wait_for_function("() => document.querySelector('#found-name').innerText === 'Films: Horror, 1980s, Newest'")
    years = page.locator("#found .year").all_inner_texts()
    assert len(years) == 8
    assert years == sorted(years, reverse=True)
    assert all("(1980)" <= year <= "(1989)" for year in years)
    assert all("Horror" in facts for facts in page.locator("#found .facts").all_inner_texts())


@pytest.mark.slow
def test_details_have_the_prediction_its_reasons_and_pages_elsewhere(opened):
    page = opened()
    rate(page, 0, 5)
    page.locator("#list .title").first.click()
    dialog = page.get_by_role("dialog")
    page.wait_for_selector(".similar > li")
    assert dialog.locator(".details-head .stars-text").inner_text().endswith("predicted")
    assert "Because you liked" in dialog.locator(".reasons").inner_text()
    links = [link.get_attribute("href") for link in dialog.get_by_role("link").all()]
    assert [re.sub(r"\d+", "0", link) for link in links] == [
        "https://www.imdb.com/title/tt0/",
        "https://www.themoviedb.org/movie/0",
    ]


@pytest.mark.slow
def test_the_map_finds_a_misspelt_film(opened):
    page = opened("#/map")
    page.wait_for_selector("#legend > li")
    page.get_by_label("Search the map").fill("jurasic park")
    page.keyboard.press("Enter")
    page.wait_for_selector("#map-tip:visible")
    assert page.locator("#map-tip").inner_text().startswith("Jurassic Park (1993)")
    unmapped = {"movie_id": -1, "title": "Jurassic Lark", "year": 1990, "genres": []}
    movie = page.evaluate("async () => (await (await fetch('v1/movies?query=alien')).json()).movies[0]")
    page.route("**/v1/movies?*", lambda route: route.fulfill(json={"movies": [unmapped, movie]}))
    page.get_by_label("Search the map").fill("jurasic lark")
    page.keyboard.press("Enter")
    page.wait_for_selector("#map-found:visible")
    assert page.locator("#map-found").inner_text().startswith("Jurassic Lark (1990) is not on the map")


def test_titles_are_never_markup(opened):
    page = opened()
    listed(page)
    movie = {
        "movie_id": 1,
        "title": "<img src=x onerror=alert(1)>",
        "year": 1999,
        "genres": ["<b>"],
        "num_ratings": 1,
        "mean_rating": 3,
    }
    page.route("**/v1/movies?*", lambda route: route.fulfill(json={"movies": [movie]}))
    page.get_by_label("Find a film").fill("markup")
    page.wait_for_function("() => document.querySelector('#found .name')?.innerText.includes('onerror')")
    assert page.locator("#found img, #found .facts b").count() == 0
