"""The client where it differs from the library: what HTTP adds or cannot carry, and servers that do not answer."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import httpx2
import pytest

import farthing
from farthing import Client, Credits, Money, Receipt, call, keys
from farthing.errors import (
    FarthingError,
    FloatAmount,
    InsufficientCredits,
    InvalidKey,
    NotFound,
    OutcomeUnknown,
    SettingsInvalid,
    Unavailable,
)

pytestmark = pytest.mark.row("D3")


Wrong = Callable[[httpx2.Request, httpx2.Response, int], httpx2.Response]


def through(client: Client, wrong: Wrong) -> list[str]:
    """From here on the server's answers pass through `wrong`, with the number of the request; says what was asked."""
    asked: list[str] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        asked.append(f"{request.method} {request.url.path}")
        with httpx2.Client() as real:
            answer = real.request(request.method, request.url, headers=request.headers, content=request.content)
        return wrong(request, answer, len(asked))

    told = client._told  # pyright: ignore[reportPrivateUsage]
    client._http = httpx2.Client(transport=httpx2.MockTransport(handle), **told)  # pyright: ignore[reportPrivateUsage]
    return asked


def test_the_same_answers_as_the_library(client: Client, credits: Credits):
    told = {
        "key": "g",
        "source": "purchase",
        "expires": timedelta(days=30),
        "cost": Money(990, "USD"),
        "metadata": {"n": 1},
    }
    receipt = client.grant("ada", "chat", "12.50", **told)  # pyright: ignore[reportArgumentType]
    assert credits.grant("ada", "chat", "12.50", **told) == receipt  # pyright: ignore[reportArgumentType]
    assert (receipt.amount, receipt.replayed, receipt.lot) == (Decimal("12.50"), False, "lot_chat_1")
    assert client.grant("ada", "chat", "12.50", **told).replayed
    assert client.account("ada") == credits.account("ada")
    assert client.open_account("bob", time_zone="Asia/Shanghai").time_zone == "Asia/Shanghai"
    assert client.balance("ada", "chat") == credits.balance("ada", "chat")
    assert client.balances("ada") == credits.balances("ada")
    assert client.lots("ada", "chat") == credits.lots("ada", "chat")
    assert client.check("ada", "chat", 20) == credits.check("ada", "chat", 20)
    assert client.deduct("ada", "chat", 2, key="d", operation="talk").draws == [("lot_chat_1", 2)]
    mine, theirs = client.history("ada", kinds=["deduct"]), credits.history("ada", kinds=["deduct"])
    assert (mine.data, mine.has_more, repr(mine.data[0])) == (theirs.data, theirs.has_more, repr(theirs.data[0]))
    assert client.explain("ada", "chat").balance == credits.explain("ada", "chat").balance
    assert client.explain("ada", "chat").lots == credits.explain("ada", "chat").lots
    assert not client.forget_card("ada", "sandbox", key="f") and client.forget_card("ada", "sandbox", key="f")
    since = datetime(2025, 1, 1, tzinfo=UTC)
    assert len(client.history("ada", "chat", since=since, sort="largest", limit=1).data) == 1


def test_refusals_are_the_librarys_with_their_facts(client: Client):
    with pytest.raises(InsufficientCredits) as refused:
        client.deduct("ada", "images", 5, key="d")
    assert (refused.value.required, refused.value.available, refused.value.account) == (5, 0, "ada")
    assert isinstance(refused.value.shortfall, Decimal)
    with pytest.raises(NotFound):
        client.account("nobody")
    with pytest.raises(FloatAmount):
        client.deduct("ada", "images", 0.1, key="d")  # pyright: ignore[reportArgumentType]
    for key in ("k ", " k", "k\x7f"):
        with pytest.raises(InvalidKey, match="Nothing was changed"):
            client.deduct("ada", "images", 1, key=key)
    odd = "søker ada ?#%+"
    client.grant(odd, "images", 1, key="né:✓", source="gift")
    assert client.history(odd).data[0].key == "né:✓"


def test_a_key_that_may_not_says_so(address: str, credits: Credits):
    reader = keys.create(credits, "reads", ["read"])[1]
    with farthing.connect(address, reader) as client, pytest.raises(FarthingError) as refused:
        client.grant("ada", "images", 1, key="g", source="gift")
    assert (refused.value.code, refused.value.facts["status"]) == ("scope_missing", 403)
    with farthing.connect(address, "frt_test_nobody") as client, pytest.raises(FarthingError) as refused:
        client.balance("ada", "images")
    assert refused.value.code == "api_key_invalid"
    assert "frt_test_nobody" not in repr(client)


@pytest.mark.row("L16")
def test_a_write_whose_answer_is_lost_is_asked_for_again_and_done_once(client: Client, credits: Credits):
    def lost(request: httpx2.Request, answer: httpx2.Response, number: int) -> httpx2.Response:
        if number == 1:
            raise httpx2.ReadError("cut", request=request)
        return answer if number != 2 else httpx2.Response(502, text="Bad gateway")

    asked = through(client, lost)
    assert client.grant("ada", "images", 7, key="g", source="gift").replayed
    assert (len(asked), credits.balance("ada", "images").posted) == (3, 7)


def test_a_server_that_stays_away_is_told_by_what_was_asked(client: Client, credits: Credits):
    def gone(request: httpx2.Request, answer: httpx2.Response, number: int) -> httpx2.Response:
        raise httpx2.ReadTimeout("slow", request=request)

    client.grant("bob", "images", 5, key="g", source="gift")
    held = client.hold("bob", "images", 2, key="h")
    asked = through(client, gone)
    with pytest.raises(OutcomeUnknown, match="again, with the same key"):
        client.grant("ada", "images", 7, key="g", source="gift")
    assert (len(asked), credits.balance("ada", "images").posted) == (3, 7)
    for reads in (lambda: client.balance("ada", "images"), lambda: client.check("ada", "images", 1)):
        with pytest.raises(Unavailable, match="Nothing was changed"):
            reads()
    with pytest.raises(OutcomeUnknown):  # it has no key of its own, and was done
        held.capture()
    assert credits.balance("bob", "images").posted == 3
    through(client, lambda request, answer, number: httpx2.Response(500, text="<html>"))
    with pytest.raises(OutcomeUnknown):
        client.deduct("ada", "images", 1, key="d")


def test_nobody_listens_there():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with farthing.connect(url, "frt_test_1", retries=0) as client, pytest.raises(Unavailable, match="ConnectError"):
        client.balances("ada")


def test_awaited_it_is_the_same(address: str, api_key: str, credits: Credits):
    async def story() -> list[Decimal]:
        async with farthing.connect_async(address, api_key) as client:
            await client.grant("ada", "images", 30, key="g", source="gift")
            receipts = await asyncio.gather(*(client.deduct("ada", "images", 1, key=f"d{n}") for n in range(30)))
            with pytest.raises(InsufficientCredits):
                await client.deduct("ada", "images", 1, key="too many")
            assert await client.balance("ada", "images") == credits.balance("ada", "images")
            return sorted(receipt.available for receipt in receipts)

    assert asyncio.run(story()) == list(range(30))


def test_what_is_not_sold_and_not_there(client: Client):
    with pytest.raises(FarthingError):
        client.quote("images", 5)
    with pytest.raises(NotFound):
        client.order("ada", "ord_1")
    assert client.orders("ada").data == []


@pytest.mark.parametrize(
    ("url", "key"), [("ftp://x", "k"), ("credits", "k"), ("https://x.test", ""), ("https://x.test", "ä")]
)
def test_what_is_no_server_or_no_key(url: str, key: str):
    with pytest.raises(SettingsInvalid):
        farthing.connect(url, key)


def test_a_block_holds_captures_and_lets_go(client: Client, address: str, api_key: str):
    client.grant("ada", "images", 10, key="g", source="gift")
    with client.hold("ada", "images", 4, key="h1") as held:
        assert client.holds("ada")[0].id == held.id
    assert held.ended and held.ended.kind == "capture"
    with pytest.raises(RuntimeError), client.hold("ada", "images", 4, key="h2"):
        raise RuntimeError
    assert client.balance("ada", "images").available == 6

    async def awaited() -> None:
        async with farthing.connect_async(address, api_key) as again:
            async with again.hold("ada", "images", 2, key="h3") as hold:
                await hold.capture(1)
            assert (await again.balance("ada", "images")).available == 5

    asyncio.run(awaited())


def test_many_at_once(client: Client):
    made = [call.grant("ada", "images", 5, key="g", source="gift"), call.deduct("ada", "images", 9, key="d")]
    granted, refused = client.post(made, atomic=False)
    assert isinstance(granted, Receipt) and granted.amount == 5
    assert isinstance(refused, InsufficientCredits) and refused.shortfall == 4
    with pytest.raises(InsufficientCredits):
        client.post([call.deduct("ada", "images", 9, key="d2")])


def test_what_is_not_there_is_none(client: Client):
    assert (client.subscription("ada"), client.card("ada", "sandbox"), client.plan_billings("ada")) == (None, None, [])
    assert client.top_ups("ada") == []


def test_every_verb_and_reading_of_the_library_is_there_or_is_for_code_beside_the_database():
    beside = {
        *("alone", "begin", "bulk", "catalog", "clock", "database", "on", "providers", "read", "reload", "run"),
        *("bad_signatures", "catalog_version", "catalog_versions", "drip", "expire", "expiring", "handle_event"),
        *("handle_events", "heal_orders", "heal_plans", "provider_event", "provider_events", "receive", "reconcile"),
        *("retry_event", "secrets", "signer", "start_jobs", "store_event", "submit", "top_up_due", "verify"),
        *("add_endpoint", "deliver", "endpoints", "event", "events", "local_endpoints", "remind", "remove_endpoint"),
        *("replay_event", "resume_endpoint", "rotate_endpoint", "subscribe"),
        *("watch", "drawn_lots", "export_history", "pool", "last_jobs"),
    }
    library, client, awaited = (
        {name for name in dir(kind) if not name.startswith("_")} for kind in (Credits, Client, farthing.AsyncClient)
    )
    assert library - client - beside == set()
    assert client - library == set()
    assert client == awaited
