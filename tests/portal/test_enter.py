"""Coming in by a signed link, and going out."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from farthing import portal
from farthing.errors import InvalidAccount, SettingsInvalid
from tests.kit import Clock
from tests.portal.customer import Customer, Page
from tests.portal.site import OLD_SECRET, PREFIX, SECRET, Site


@pytest.fixture
def stranger(at: Site) -> Customer:
    return Customer(at, None)


def path_of(at: Site, link: str) -> str:
    return link.removeprefix(at.url)


@pytest.mark.row("U9")
def test_a_link_signs_in_behind_continue_and_only_once(at: Site, stranger: Customer):
    link = at.link("ada")
    for _ in range(3):
        page = stranger.see(path_of(at, link))
        assert "Continue" in page.text and "ada" not in page.text
    assert stranger.press(page, "Continue").headers["location"] == f"{PREFIX}/"
    assert "Signed in as ada" in stranger.see("/").text

    assert "This link was used already" in Customer(at, None).see(path_of(at, link), 410).text
    assert "This link was used already" in Page(Customer(at, None).enter(link).text).text


@pytest.mark.row("U9")
def test_looking_at_a_link_neither_spends_it_nor_signs_in(at: Site, stranger: Customer):
    link = at.link("ada")
    assert not stranger.get(PREFIX + path_of(at, link)).cookies
    stranger.see("/", 403)
    assert Customer(at, None).enter(link).status_code == 303


@pytest.mark.row("U9")
def test_a_link_ends_after_a_quarter_of_an_hour_to_the_second(at: Site, stranger: Customer, clock: Clock):
    early, late = at.link("ada"), at.link("ada")
    clock.move(timedelta(minutes=14, seconds=59))
    assert stranger.enter(early).status_code == 303
    clock.move("1s")
    assert "This link is too old" in stranger.see(path_of(at, late), 410).text
    assert stranger.enter(late).status_code == 410


@pytest.mark.row("U9")
@pytest.mark.parametrize("broken", ["", "x", "a.b.c", "é", "A" * 5000, "eyJhbGciOiJub25lIn0.e30."])
def test_what_is_no_link_of_ours_says_what_to_do(at: Site, stranger: Customer, broken: str):
    answer = stranger.submit("/enter", {"link": broken})
    assert answer.status_code == 400
    assert "Open your credits again from the application" in Page(answer.text).text
    assert "farthing_portal" not in answer.cookies


@pytest.mark.row("U9")
def test_a_link_that_was_changed_or_signed_elsewhere_is_refused(at: Site, stranger: Customer):
    header, claims, signature = at.link("ada").partition("link=")[2].split(".")
    other_claims = at.link("bob").split(".")[-2]
    for link in (f"{header}.{other_claims}.{signature}", f"{header}.{claims}.{signature[:-4]}AAAA"):
        assert stranger.submit("/enter", {"link": link}).status_code == 400
    assert stranger.enter(at.link("ada", "a secret of somebody else, as long as ours")).status_code == 400


@pytest.mark.row("U9")
def test_secrets_can_be_changed_while_links_and_sessions_live_on(at: Site, stranger: Customer):
    assert stranger.enter(at.link("ada", OLD_SECRET)).status_code == 303


@pytest.mark.row("U9")
def test_a_link_for_demos_works_again(at: Site):
    link = at.link("ada", reusable=True)
    for _ in range(2):
        assert "Signed in as ada" in signed_in(at, link).see("/").text


@pytest.mark.row("U9")
def test_of_many_who_use_a_link_at_once_one_gets_in(at: Site):
    link = at.link("ada")
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: Customer(at, None).enter(link).status_code, range(8)))
    assert sorted(answers) == [303] + [410] * 7


def test_a_link_is_no_session_and_a_session_is_no_link(at: Site, stranger: Customer):
    link = at.link("ada").partition("link=")[2]
    stranger.cookies.set("farthing_portal", link, path=PREFIX)
    stranger.see("/", 403)
    ada = signed_in(at, at.link("ada"))
    assert stranger.submit("/enter", {"link": ada.cookies["farthing_portal"]}).status_code == 400


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(at: Site):
    plain = Customer(at, None).enter(at.link("ada")).headers["set-cookie"]
    assert "HttpOnly" in plain and "SameSite=lax" in plain and f"Path={PREFIX}" in plain and "Secure" not in plain
    safe = Customer(at, None, base_url="https://shop.test").enter(at.link("ada")).headers["set-cookie"]
    assert "Secure" in safe


@pytest.mark.row("U9")
def test_behind_a_proxy_that_ends_tls_the_cookie_and_the_forms_keep_to_https(at: Site):
    pages = portal.app(at.credits, secret=[SECRET], base_url="https://shop.test/account/credits")
    behind = Site(at.credits, "https://shop.test", Starlette(routes=[Mount(PREFIX, pages)]))
    browser = Customer(behind, None, base_url="http://10.0.0.7:8000")
    entered = browser.enter(behind.link("ada")).headers["set-cookie"]
    assert "Secure" in entered
    browser.headers["cookie"] = entered.partition(";")[0]
    policy = browser.get(f"{PREFIX}/buy").headers["content-security-policy"]
    assert "form-action 'self' https:;" in policy and "http:;" not in policy
    assert "Secure" in browser.press(browser.see("/"), "Sign out").headers["set-cookie"]


def test_a_session_ends_by_itself_and_by_signing_out_wherever_its_cookie_was_copied_to(at: Site, clock: Clock):
    ada, copy = signed_in(at, at.link("ada")), Customer(at, None)
    copy.cookies.set("farthing_portal", ada.cookies["farthing_portal"], path=PREFIX)
    assert "Signed in as ada" in copy.see("/").text
    assert ada.press(ada.see("/"), "Sign out").headers["location"] == f"{PREFIX}/left"
    assert "You are signed out" in ada.see("/left").text
    copy.see("/", 403)

    other = signed_in(at, at.link("ada"))
    clock.move(timedelta(hours=11, minutes=59))
    other.see("/")
    clock.move("1m")
    assert "You are not signed in" in other.see("/", 403).text


def test_used_links_are_forgotten_when_they_would_have_expired(at: Site, clock: Clock):
    for _ in range(3):
        signed_in(at, at.link("ada"))
        clock.move("1h")
    with at.credits.database.reading() as session:
        assert session.execute("SELECT count(*) FROM farthing_spent_tokens") == [(1,)]


def test_a_link_from_another_site_does_not_sign_in(at: Site, stranger: Customer):
    link = at.link("ada").partition("link=")[2]
    for headers in ({"sec-fetch-site": "cross-site"}, {"origin": "http://evil.test"}, {"origin": "null"}, {}):
        assert stranger.submit("/enter", {"link": link}, headers).status_code == 403
    assert stranger.submit("/enter", {"link": link}, {"origin": "http://shop.test"}).status_code == 303


def test_without_a_secret_there_are_no_links_and_no_portal(at: Site):
    for secrets in ([], ["short"], [SECRET, "short"]):
        with pytest.raises(SettingsInvalid, match="FARTHING_SECRET"):
            portal.app(at.credits, secret=secrets)
        with pytest.raises(SettingsInvalid, match="FARTHING_SECRET"):
            portal.link("ada", secrets, base_url="http://shop.test")
    with pytest.raises(InvalidAccount):
        portal.link("a/b", [SECRET], base_url="http://shop.test")


def test_one_secret_that_is_not_in_a_list_is_refused_by_name(at_any: Site):
    said = r"`secret` is one text.*Give a list: \[secret\]"
    with pytest.raises(SettingsInvalid, match=said):
        portal.app(at_any.credits, secret=SECRET)
    with pytest.raises(SettingsInvalid, match=said):
        portal.link("ada", SECRET, base_url="http://shop.test")


@pytest.mark.parametrize(
    "address",
    [
        "", "/account/credits", "shop.test", "//shop.test", "ftp://shop.test", "javascript:alert(1)", "https://",
        "https:///credits", "http:shop.test", "http://[shop.test", "http://shop.test:port", "http://shop.test:99999",
        "http://shop.test/?a=1", "http://shop.test#top", " http://shop.test", "http://shop.test/a b",
        "http://shop.test\n",
    ],
)  # fmt: skip
def test_an_address_that_nobody_could_reach_the_portal_at_is_refused(at_any: Site, address: str):
    with pytest.raises(SettingsInvalid, match=r"base_url.*https://example\.com/credits"):
        portal.link("ada", [SECRET], base_url=address)
    with pytest.raises(SettingsInvalid, match=r"base_url.*https://example\.com/credits"):
        portal.app(at_any.credits, secret=[SECRET], base_url=address)


@pytest.mark.parametrize("address", ["http://[::1]:8000", "HTTPS://shop.test", "https://shop.test/café/"])
def test_an_address_of_a_site_is_where_links_lead(at_any: Site, address: str):
    portal.app(at_any.credits, secret=[SECRET], base_url=address)
    assert portal.link("ada", [SECRET], base_url=address).startswith(f"{address.rstrip('/')}/enter?link=")


def signed_in(at: Site, link: str) -> Customer:
    customer = Customer(at, None)
    answer = customer.enter(link)
    assert answer.status_code == 303
    return customer
