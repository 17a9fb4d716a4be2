"""A customer without a browser: reads pages as text, sends the forms that stand on them, keeps a cookie."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from starlette.testclient import TestClient

from tests.portal.site import PREFIX, Site

HERE = {"sec-fetch-site": "same-origin"}
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class Page(HTMLParser):
    """What stands on a page: its words, its elements and its forms."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.forms: list[dict[str, str]] = []
        self._silent = 0
        self._button: str | None = None
        self._in_form = False
        self.feed(html)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def form(self, button: str) -> dict[str, str]:
        """The fields of the form whose button is called so, and where it is sent to ("action")."""
        [found] = [form for form in self.forms if form.get("button") == button]
        return {name: value for name, value in found.items() if name != "button"}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.elements.append((tag, given))
        if tag in ("script", "style", "title"):
            self._silent += 1
        if tag == "form":
            self._in_form = True
            self.forms.append({"action": given.get("action", "")})
        if tag == "input" and self._in_form:
            self.forms[-1][given["name"]] = given.get("value", "")
        if tag == "button" and self._in_form:
            self._button = given.get("aria-label", "")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style", "title"):
            self._silent -= 1
        if tag == "form":
            self._in_form = False
        if tag == "button" and self._button is not None:
            self.forms[-1]["button"] = self._button
            self._button = None

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.words.append(data)
        if self._button == "" and data.strip():
            self._button = data.strip()


class Customer(TestClient):
    """Signed in by a link, unless `account` is None. Paths are the portal's own; redirects are not followed."""

    def __init__(self, at: Site, account: str | None, *, base_url: str = "http://shop.test") -> None:
        super().__init__(at.app, base_url=base_url, follow_redirects=False, raise_server_exceptions=False)
        self.at = at
        self.account = account
        self.come_back()

    def come_back(self) -> None:
        """Signs in anew, by a new link."""
        if self.account is not None:
            assert self.enter(self.at.link(self.account)).status_code == 303

    def enter(self, link: str) -> Any:
        """What the server answers to the Continue button behind a link."""
        return self.submit("/enter", {"link": link.partition("link=")[2]})

    def see(self, path: str, status: int = 200) -> Page:
        answer = self.get(PREFIX + path)
        page = Page(answer.text)
        assert answer.status_code == status, page.text
        return page

    def submit(self, path: str, fields: dict[str, str], headers: dict[str, str] | None = None) -> Any:
        return self.post(PREFIX + path, data=fields, headers=HERE if headers is None else headers)

    def press(self, page: Page, button: str, **other: str) -> Any:
        """What the server answers when the button is pressed; `other` fields are sent instead of the page's."""
        form = page.form(button) | other
        return self.post(form.pop("action"), data=form, headers=HERE)
