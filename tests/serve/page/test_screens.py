"""Tests of the page on phones and wide screens, in colours and motion."""

import re

import pytest
from helpers.page import PHONE, listed, rate


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


@pytest.mark.slow
def test_three_recommendations_are_seen_without_scrolling(opened):
    # Without motion a card stands at once where it belongs.
    page = opened(viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    rate(page, 0, 5)
    third = page.locator("#list > li").nth(2).bounding_box()
    assert third["y"] + third["height"] <= 800
