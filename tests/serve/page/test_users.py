"""Tests of the page's users: those of the server, and those who bring a file of their ratings."""

import json

import pandas as pd
import pytest
from helpers import exports
from helpers.page import listed, rate, stars, titles, wait_for_other
from helpers.served import served

from movierec_jax.config import Config
from movierec_jax.train import train_run


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
def test_the_notice_of_an_import_is_seen_after_a_click_beside_everything(opened, tmp_path):
    page = opened()
    before = listed(page)
    page.mouse.click(5, 500)
    path = tmp_path / "ratings.csv"
    path.write_text(exports.letterboxd(exports.films().head(9)))
    page.locator("#import-file").set_input_files(path)
    wait_for_other(page, before)
    notice = page.locator("#undo").bounding_box()
    assert 450 < notice["y"] < notice["y"] + notice["height"] <= 900


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
