"""Tests of the page in a browser, served by scripts/serve.py with a small run on the bundled ratings."""

import contextlib
import json
import re
import shutil

import pandas as pd
import pytest
from helpers import exports
from helpers.served import served

from movierec_jax.config import Config
from movierec_jax.train import train_run

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytest.importorskip("fastapi", reason="the extra serve is not installed")

CHROMIUM = shutil.which("chromium")
WIDE, PHONE = {"width": 1280, "height": 900}, {"width": 320, "height": 640}
WAIT_MS = 30_000

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@pytest.fixture(scope="module")
def address(films_workdir, tmp_path_factory):
    """Serves a small run and yields its address."""
    with served(shutil.copytree(films_workdir, tmp_path_factory.mktemp("page") / "run")) as (address, _):
        yield address


@pytest.fixture(scope="module")
def reviewed_address(reviewed_workdir, tmp_path_factory):
    """Serves a run with reviews of a few films and yields its address."""
    with served(shutil.copytree(reviewed_workdir, tmp_path_factory.mktemp("page") / "run")) as (address, _):
        yield address


@pytest.fixture(scope="module")
def browser():
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


def listed(page):
    """Returns the recommended titles once the list is up to date."""
    page.wait_for_selector("#list:not([aria-busy]) > li")
    return page.locator("#list .name").all_inner_texts()


def wait_for_other(page, before):
    """Returns the recommended titles once they have changed."""
    has_changed = (
        "before => [...document.querySelectorAll('#list .name')].map(t => t.innerText).join() !== before.join()"
    )
    page.wait_for_function(has_changed, arg=before)
    return listed(page)


def stars(page, index, rating, inside="#found"):
    return page.locator(f"{inside} > li").nth(index).locator(f'input[value="{rating}"]')


def rate(page, index, rating, inside="#found"):
    before = listed(page)
    stars(page, index, rating, inside).click()
    return wait_for_other(page, before)


def titles(page, inside):
    page.wait_for_selector(f"{inside} > li")
    return page.locator(f"{inside} .name").all_inner_texts()


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
def test_a_rating_as_another_user_changes_their_list_until_removed(opened):
    page = opened("#/user", expected="404")
    assert page.locator("#columns").is_hidden()
    page.get_by_label("User id").fill("7")
    page.get_by_role("button", name="Show").click()
    first = listed(page)
    assert page.locator("h1:visible").inner_text() == "Films for user 7"
    assert page.locator("#rated-hint").inner_text().startswith("152 ratings")
    given = [json.loads(text) for text in page.locator("#rated .rate-text").all_inner_texts()]
    assert given == sorted(given, reverse=True)
    assert "Because they liked" in page.locator("#list").inner_text()
    # A rating of a film that they have not rated.
    film = first[0]
    page.get_by_label("Find a film").fill(film)
    page.wait_for_function("film => document.querySelector('#found .name')?.innerText === film", arg=film)
    changed = rate(page, 0, 5)
    assert film not in changed
    assert titles(page, "#rated")[0] == film
    page.reload()
    assert listed(page) == changed
    index = titles(page, "#rated").index(film)
    page.locator("#rated > li").nth(index).get_by_role("button", name="Remove").click()
    assert wait_for_other(page, changed) == first
    # Ratings of the data cannot be removed, only replaced and restored.
    assert page.locator("#rated").get_by_role("button", name="Remove").count() == 0
    stars(page, 0, 0.5, "#rated").click()
    changed = wait_for_other(page, first)
    page.get_by_role("button", name="Undo").click()
    assert wait_for_other(page, changed) == first
    assert stars(page, 0, given[0] if given[0] % 1 else int(given[0]), "#rated").is_checked()


@pytest.mark.slow
def test_an_unknown_user_is_created_by_a_rating(opened):
    page = opened("#/user/987654", expected="404")
    page.wait_for_selector("#list-empty:visible")
    assert page.locator("#list-empty").inner_text() == "User 987654 not found. Rate a film to create it."
    stars(page, 0, 5).click()
    page.wait_for_selector("#list > li")
    assert page.locator("#rated-hint").inner_text().startswith("1 rating,")
    page.get_by_role("button", name="Undo").click()
    page.wait_for_selector("#list-empty:visible")


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


@pytest.mark.slow
@pytest.mark.parametrize("view", ["#/", "#/user/1", "#/map"])
def test_views_fit_a_phone_with_large_touch_targets(view, opened):
    page = opened(view, viewport=PHONE, has_touch=True, is_mobile=True)
    page.wait_for_selector("#legend > li" if view == "#/map" else "#list > li")
    if view != "#/map":
        page.locator("#filters summary").click()
    assert page.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    # Title buttons stretch over their card.
    small = page.evaluate(
        """() => [...document.querySelectorAll("button:not(.title), nav a, summary, label.chip, .rate-stars")]
            .filter(one => one.checkVisibility() && one.getBoundingClientRect().height < 40)
            .map(one => one.outerHTML)"""
    )
    assert small == []


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


def lightness(page, selector, name):
    """Returns the lightness of an element's colour, given in oklch."""
    value = page.locator(selector).first.evaluate(f"element => getComputedStyle(element).{name}")
    return float(re.match(r"oklch\(([\d.]+)", value)[1])


@pytest.mark.slow
def test_colours_follow_the_preferred_scheme(opened):
    light, dark = opened(color_scheme="light"), opened(color_scheme="dark")
    for page in (light, dark):
        listed(page)
    assert lightness(light, "body", "backgroundColor") > 0.9 > 0.4 > lightness(light, "body", "color")
    assert lightness(dark, "body", "backgroundColor") < 0.3 < 0.9 < lightness(dark, "body", "color")


@pytest.mark.slow
def test_reduced_motion_stops_animations(opened):
    page = opened(reduced_motion="reduce")
    rate(page, 0, 5)
    assert page.evaluate("document.getAnimations().length") == 0


def problem(status, detail, **headers):
    """Returns a response with problem details as the server sends them."""
    body = json.dumps({"type": "about:blank", "title": "", "status": status, "detail": detail})
    return {"status": status, "content_type": "application/problem+json", "body": body, "headers": headers}


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
    with contextlib.suppress(playwright.Error):
        held[0].fulfill(json=late)
    page.wait_for_timeout(300)
    assert listed(page) == newest


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
def test_undo_of_an_import_keeps_ratings_given_before(opened, tmp_path):
    page = opened()
    first = listed(page)
    stars(page, 0, 4, "#list").click()
    mine = wait_for_other(page, first)
    path = tmp_path / "ratings.csv"
    path.write_text(exports.letterboxd(exports.films().head(9)))
    page.locator("#import-file").set_input_files(path)
    wait_for_other(page, mine)
    assert page.locator("#undo-text").inner_text() == "9 ratings imported."
    page.get_by_role("button", name="Undo").click()
    page.wait_for_function("() => document.querySelectorAll('#rated > li').length === 1")
    assert titles(page, "#rated") == first[:1]


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
def test_exported_ratings_can_be_imported_again(opened, tmp_path):
    page = opened()
    listed(page)
    for index, rating in (0, 5), (2, 0.5), (3, 3.5):
        rate(page, index, rating)
    mine, rated = listed(page), titles(page, "#rated")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
    download.value.save_as(tmp_path / "ratings.csv")
    assert (tmp_path / "ratings.csv").read_text().startswith("userId,movieId,rating,timestamp\n1,356,5,")
    page.get_by_role("button", name="Clear my ratings").click()
    cleared = wait_for_other(page, mine)
    page.locator("#import-file").set_input_files(tmp_path / "ratings.csv")
    assert wait_for_other(page, cleared) == mine
    assert titles(page, "#rated") == rated


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


@pytest.mark.slow
def test_three_recommendations_are_seen_without_scrolling(opened):
    # Without motion a card stands at once where it belongs.
    page = opened(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    rate(page, 0, 5)
    third = page.locator("#list > li").nth(2).bounding_box()
    assert third["y"] + third["height"] <= 800


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


def test_ratings_are_imported_from_a_file(opened, tmp_path):
    page = opened()
    first = listed(page)
    path = tmp_path / "ratings.csv"
    path.write_text(exports.letterboxd(exports.films()) + "2024-03-01,<b>Nothing</b>,2001,https://boxd.it/0,3\n")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Import my ratings").click()
    chooser.value.set_files(path)
    mine = wait_for_other(page, first)
    assert page.locator("#rated-name").inner_text() == "Your ratings (30)"
    assert page.locator("#import-result > p").first.inner_text() == (
        "Read 31 films of a Letterboxd export; 30 matched (30 by title and year)."
    )
    page.get_by_text("1 film not found").click()
    assert page.locator("#import-result li").inner_text() == "<b>Nothing</b> (2001)"
    page.reload()
    assert listed(page) == mine


@pytest.mark.slow
def test_watched_films_are_imported_and_cleared(opened, tmp_path):
    page = opened()
    first = listed(page)
    path = exports.write_letterboxd_zip(tmp_path / "mine.zip", exports.films().head(5), exports.films())
    page.locator("#import-file").set_input_files(path)
    mine = wait_for_other(page, first)
    assert not {*exports.films()["title"]} & {*mine}
    assert "25 films watched without a rating" in page.locator("#rated-hint").inner_text()
    page.get_by_role("button", name="Clear my ratings").click()
    assert wait_for_other(page, mine) == first


def test_a_file_that_is_no_export_shows_a_notice(opened, tmp_path):
    page = opened(expected="422")
    path = tmp_path / "movies.csv"
    path.write_text("movieId,title\n1,Heat\n")
    before = listed(page)
    page.locator("#import-file").set_input_files(path)
    page.wait_for_selector(".notice")
    assert ":1: columns movieId, title; expected a Letterboxd export" in page.locator(".notice").inner_text()
    assert listed(page) == before


@pytest.mark.slow
def test_ids_of_any_text_and_size_are_shown_and_rated_whole(opened, tmp_path):
    users, movies = [2**53 + n for n in range(8)], [f"https://boxd.it/{n}?x=1#y%" for n in range(12)]
    rows = [
        (user, movie, 1 + (n + m) % 5) for n, user in enumerate(users) for m, movie in enumerate(movies) if (n + m) % 3
    ]
    ratings = pd.DataFrame(rows, columns=["user", "movie", "rating"])
    ratings.to_csv(tmp_path / "ratings.csv", index=False)
    config = Config().replace(
        ratings=str(tmp_path / "ratings.csv"),
        embedding_dim=2,
        hidden_dims=(),
        history=(),
        implicit_feedback_dim=0,
        epochs=1,
    )
    train_run(config, tmp_path / "run")
    with served(tmp_path / "run") as (address, _):
        page = opened(f"#/user/{users[1]}", at=address)
        unseen = {movie for n, movie in enumerate(movies) if not (1 + n) % 3}
        assert {*listed(page)} == unseen
        assert page.locator("h1:visible").inner_text() == f"Films for user {users[1]}"
        page.locator("#list .title").first.click()
        page.wait_for_selector("#details[open] .similar")
        page.keyboard.press("Escape")
        before = listed(page)
        page.get_by_label("Find a film").fill(before[0])
        page.wait_for_function("title => document.querySelector('#found .name')?.innerText === title", arg=before[0])
        stars(page, 0, 5).click()
        assert {*wait_for_other(page, before)} == unseen - {before[0]}
