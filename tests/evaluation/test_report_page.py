"""report.html: one page with the figures of a run, which loads nothing from elsewhere."""

import html.parser
import json
import re

import pytest

from movierec_jax.config import Config
from movierec_jax.evaluation.report_page import settings, table

VOID = {"meta", "br", "link", "img", "input"}


class Elements(html.parser.HTMLParser):
    """Collects what a page links to, its ids and its texts, and notes elements that are not closed."""

    def __init__(self):
        super().__init__()
        self.links, self.ids, self.open, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.links += [value for name, value in attrs if name in ("src", "href", "xlink:href")]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def page(workdir):
    return (workdir / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def elements(page):
    parser = Elements()
    parser.feed(page)
    return parser


def test_the_page_is_whole_and_no_id_stands_twice(elements):
    assert elements.open == []
    assert len(elements.ids) == len(set(elements.ids))


def test_the_page_loads_nothing_from_elsewhere(page, elements):
    assert elements.links
    assert set(elements.links) <= {f"#{name}" for name in elements.ids}
    assert "<script" not in page
    assert re.findall(r"url\((?!#)", page) == []


def test_the_page_shows_the_figures_of_the_report_beside_those_of_baselines(elements, workdir):
    held_out = json.loads((workdir / "report.json").read_text())["held_out"]
    shown = [held_out["rating"][name]["all"]["rmse"] for name in ("model", "biases", "constant")]
    shown += [held_out["ranking"][name]["ndcg@5"] for name in ("model", "popularity")]
    assert [value for value in shown if f"{value:.4f}" not in elements.text] == []


def test_the_page_has_the_lists_of_users_with_titles(elements, recommender):
    users = [text for text in elements.text if text.startswith("User ")]
    assert len(users) == 3
    title = recommender.run.movie_table["title"].iloc[0]
    assert any(text.startswith(title.split()[0]) for text in elements.text)


def test_texts_of_the_data_are_no_markup():
    assert "&lt;b&gt; &amp; co" in table(["a"], [["<b> & co"]])
    assert "<b>" not in table(["<b>"], [["<b>", "<b>"]])


def test_settings_that_are_not_at_their_default_come_first():
    shown, rest = settings(Config().replace(epochs=3, seed=1)).split("<details>")
    assert re.findall(r"--\w+", shown) == ["--epochs", "--seed"]
    assert "--embedding_dim" in rest
