"""What tests of the page do on it: wait for lists, and rate films."""

import json

PHONE = {"width": 320, "height": 640}


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


def problem(status, detail, **headers):
    """Returns a response with problem details as the server sends them."""
    body = json.dumps({"type": "about:blank", "title": "", "status": status, "detail": detail})
    return {"status": status, "content_type": "application/problem+json", "body": body, "headers": headers}
