"""Endpoints that are slow, broken, hostile or not where they seem to be; and workers that die or come together."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import httpx2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import farthing
from farthing.errors import InvalidField, SettingsInvalid
from farthing.events import delivering, sending
from farthing.events.sending import is_public, target
from tests.faults.crowd import ended, forked
from tests.kit import SHOP, Clock, proved, shop
from tests.receiver import receiving

pytestmark = pytest.mark.row("D6")

LOW = SHOP.replace('name = "Image credits"\n', 'name = "Image credits"\nlow = 20\n')


@contextmanager
def telling(url: str, clock: Clock) -> Generator[farthing.Credits]:
    with proved(url, clock, LOW) as credits:
        credits.local_endpoints = True
        yield credits


def cross(credits: farthing.Credits, *accounts: str) -> None:
    """Each of these accounts is told to be low."""
    for account in accounts:
        credits.grant(account, "images", 25, key="g", source="gift")
        credits.deduct(account, "images", 10, key="d")


def take_in(connection: socket.socket) -> None:
    """Reads a request to its end: what is left unread when a connection is closed takes the answer with it."""
    said = b""
    while b"\r\n\r\n" not in said:
        said += connection.recv(65536) or b"\r\n\r\n"
    head, _, body = said.partition(b"\r\n\r\n")
    [length] = [int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    while len(body) < length:
        body += connection.recv(65536)


@contextmanager
def answering(serve: Callable[[socket.socket], object], context: ssl.SSLContext | None = None) -> Generator[str]:
    """Host and port where each connection is served so, whatever that does to HTTP; with a context behind TLS."""
    listening = socket.create_server(("127.0.0.1", 0))

    def one(connection: socket.socket) -> None:
        with suppress(OSError, ValueError):
            spoken = context.wrap_socket(connection, server_side=True) if context else connection
            with spoken:
                take_in(spoken)
                serve(spoken)

    def run() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=one, args=listening.accept()[:1], daemon=True).start()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


def dribble(connection: socket.socket) -> None:
    """Never silent for long, and never done."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nx-slow: ")
    while True:
        connection.sendall(b".")
        time.sleep(0.05)


def flood(connection: socket.socket) -> None:
    """Takes it, and answers without end."""
    connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"10000\r\n" + b"." * 65536 + b"\r\n")


HOSTILE: dict[str, tuple[Callable[[socket.socket], object], str | None]] = {
    "silent": (lambda connection: time.sleep(5), "it did not answer within 0.4 s"),
    "dribbling": (dribble, "it did not answer within 0.4 s"),
    "flooding": (flood, None),
    "hanging up": (lambda connection: None, "RemoteProtocolError"),
    "no http": (lambda connection: connection.sendall(b"hello\r\n\r\n"), "RemoteProtocolError"),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_a_hostile_answer_costs_bounded_time_and_holds_up_no_other(
    sqlite: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch, how: str
):
    monkeypatch.setattr(sending, "TIMEOUT_S", 0.4)
    serve, error = HOSTILE[how]
    with sqlite.migrated() as url, telling(url, clock) as credits, answering(serve) as bad, receiving() as good:
        credits.add_endpoint(f"http://{bad}")
        credits.add_endpoint(good.url)
        cross(credits, "ada")
        began = time.monotonic()
        counts = credits.deliver()
        assert time.monotonic() - began < 3
        assert (counts["failed"], len(good.arrived)) == (error is not None, 1)
        [event] = credits.events()
        said = {one.error or "" for one in credits.event(event.id)[1]}
        assert any(one.startswith(error or "") for one in said)


def test_names_that_take_long_to_look_up_hold_up_no_other(sqlite: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sending, "TIMEOUT_S", 0.5)
    real = socket.getaddrinfo

    def slow(host: Any, *more: Any, **options: Any) -> Any:
        if str(host).endswith(".example"):
            time.sleep(1)
        return real("127.0.0.1", *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    with sqlite.migrated() as url, telling(url, clock) as credits, receiving() as good:
        for number in range(12):
            credits.add_endpoint(f"http://slow{number}.example/")
        credits.add_endpoint(good.url)
        cross(credits, "ada")
        assert credits.deliver() == {"delivered": 1, "failed": 12, "given_up": 0}


def test_where_nobody_listens_it_fails_and_is_tried_again(database_url: str, clock: Clock):
    with telling(database_url, clock) as credits, receiving() as receiver:
        free = socket.create_server(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}"
        free.close()
        credits.add_endpoint(nobody)
        cross(credits, "ada")
        assert credits.deliver()["failed"] == 1
        _, [delivery] = credits.event(credits.events()[0].id)
        assert (delivery.status, (delivery.error or "")[:12]) == (None, "ConnectError")
        assert receiver.arrived == []


def test_an_endpoint_that_fails_is_left_alone_for_the_rest_of_a_run(database_url: str, clock: Clock):
    with telling(database_url, clock) as credits, receiving() as receiver:
        credits.add_endpoint(receiver.url)
        receiver.answer = lambda came: 500
        cross(credits, *(f"user{number}" for number in range(12)))
        assert 4 <= credits.deliver()["failed"] <= 7
        receiver.answer = lambda came: 200
        assert credits.deliver()["delivered"] >= 5


def test_killed_between_sending_and_noting_it_is_sent_once_more_with_the_same_id(
    database_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    with telling(database_url, clock) as credits, receiving() as receiver:
        credits.add_endpoint(receiver.url)
        cross(credits, "ada")

        def die() -> None:
            delivering._settle = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # pyright: ignore
            credits.deliver()

        credits.database.close()
        assert ended(forked(die)) == -signal.SIGKILL
        assert len(receiver.arrived) == 1
        assert sum(credits.deliver().values()) == 0
        clock.move(delivering.LEASE)
        assert credits.deliver()["delivered"] == 1
        first, second = receiver.arrived
        assert (first.id, first.body) == (second.id, second.body)
        _, [delivery] = credits.event(first.id)
        assert (delivery.attempts, delivery.delivered_at) == (1, clock())


def test_several_workers_at_once_send_each_event_once(database_url: str, clock: Clock):
    with telling(database_url, clock) as credits, receiving() as receiver:
        credits.add_endpoint(receiver.url)
        cross(credits, *(f"user{number}" for number in range(20)))
        with farthing.open(database_url, catalog=shop(LOW), clock=clock) as other:
            other.local_endpoints = True
            counts = Counter[str]()
            workers = [
                threading.Thread(target=lambda one=one: counts.update(one.deliver())) for one in (credits, other)
            ]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()
        credits.deliver()
        assert sorted(Counter(one.said["account"] for one in receiver.arrived).values()) == [1] * 20
        assert credits.events(failed=True) == []


def test_what_is_erased_while_it_is_sent_leaves_nothing(database_url: str, clock: Clock):
    with telling(database_url, clock) as credits, receiving() as receiver:
        credits.add_endpoint(receiver.url)
        cross(credits, "ada")

        def erase(came: Any) -> int:
            credits.erase("ada", key="e")
            return 500

        receiver.answer = erase
        assert sum(credits.deliver().values()) == 0
        assert (len(receiver.arrived), credits.events()) == (1, [])


def test_without_what_sends_events_wait_and_the_job_says_what_to_install(
    database_url: str, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    with telling(database_url, clock) as credits, receiving() as receiver:
        credits.add_endpoint(receiver.url)
        assert credits.deliver()["delivered"] == 0
        cross(credits, "ada")
        with monkeypatch.context() as lacking:
            lacking.setitem(sys.modules, "standardwebhooks", None)
            with pytest.raises(SettingsInvalid, match=r"farthing\[server\]"):
                credits.deliver()
        assert credits.deliver()["delivered"] == 1


PRIVATE = [
    *("127.0.0.1", "127.8.9.1", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"),
    *("192.0.2.1", "198.18.0.1", "224.0.0.1", "240.0.0.1", "255.255.255.255"),
    *("::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "::ffff:127.0.0.1"),
    *("::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:7f00:1::"),
]


def test_only_addresses_of_the_open_internet_are_public():
    assert [one for one in PRIVATE if is_public(ip_address(one))] == []
    for address in ("93.184.215.14", "8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8"):
        assert is_public(ip_address(address))


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.com/", "ftp://example.com/", "file:///etc/passwd", "//example.com", "example.com", "", "https://"),
        *("https://ada:secret@example.com/", "https://example.com/#part", "https://exa mple.com/", "https://a.b:99999/"),
        *("https://example.com\\@10.0.0.1/", "https://example.com/\r\nHost: x", "https://exämple.com/", "https://[::1/"),
        *("https://127.0.0.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/", "https://169.254.169.254/latest"),
        f"https://example.com/{'a' * 2000}",
    ],
)  # fmt: skip
def test_some_addresses_are_refused_as_they_are_written(url: str):
    with pytest.raises(InvalidField) as refusal:
        target(url, local=False)
    assert (refusal.value.field, "secret" in refusal.value.message) == ("url", False)


@pytest.mark.parametrize(
    "answers",
    [["127.0.0.1"], ["8.8.8.8", "10.0.0.1"], ["::1"], ["169.254.169.254"], ["::ffff:192.168.0.1"]],
    ids=" and ".join,
)
def test_a_name_that_leads_inside_is_not_connected_to(
    sqlite: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch, answers: list[str]
):
    leads(monkeypatch, answers)
    with sqlite.migrated() as url, telling(url, clock) as credits:
        credits.local_endpoints = False
        credits.add_endpoint("https://hook.example/")
        cross(credits, "ada")
        monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("it was connected to"))
        assert credits.deliver()["failed"] == 1
        _, [delivery] = credits.event(credits.events()[0].id)
        assert delivery.error and "hook.example leads to an address that is not public" in delivery.error


@pytest.mark.parametrize("host", ["localhost", "2130706433", "0x7f.1", "127.1"])
def test_another_spelling_of_this_machine_is_not_connected_to(sqlite: Any, clock: Clock, host: str):
    with sqlite.migrated() as url, telling(url, clock) as credits:
        credits.local_endpoints = False
        credits.add_endpoint(f"https://{host}/")
        cross(credits, "ada")
        assert credits.deliver()["failed"] == 1


def leads(monkeypatch: pytest.MonkeyPatch, *turns: list[str]) -> list[str]:
    """Names lead to these addresses, one list a look-up, and nowhere after that. Returns what was asked."""
    real, asked, left = socket.getaddrinfo, list[str](), list(turns)

    def look_up(host: Any, port: Any, *more: Any, **options: Any) -> Any:
        if not str(host).endswith(".example"):
            return real(host, port, *more, **options)
        asked.append(host)
        found = left.pop(0)
        return [(socket.AF_INET6 if ":" in one else socket.AF_INET, 1, 6, "", (one, port)) for one in found]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    return asked


def test_the_name_is_looked_up_once_and_the_judged_address_is_asked_under_that_name(
    sqlite: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch
):
    asked = leads(monkeypatch, ["127.0.0.1"])
    with sqlite.migrated() as url, telling(url, clock) as credits, receiving() as receiver:
        port = receiver.url.rpartition(":")[2]
        credits.add_endpoint(f"http://hook.example:{port}/in")
        cross(credits, "ada")
        assert credits.deliver()["delivered"] == 1
        assert (asked, receiver.arrived[0].headers["host"]) == (["hook.example"], f"hook.example:{port}")


def certified(folder: Path, name: str) -> Path:
    """A file with a key and a certificate of its own for this name."""
    key = ec.generate_private_key(ec.SECP256R1())
    called, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]), datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(called).issuer_name(called).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    plain = serialization.NoEncryption()
    file = folder / "both.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


def test_a_certificate_must_be_for_the_name_though_the_address_is_what_is_asked(
    sqlite: Any, clock: Clock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    file = certified(tmp_path, "hook.example")
    theirs = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    theirs.load_cert_chain(file)
    names: list[str | None] = []
    theirs.sni_callback = lambda _, name, __: names.append(name)  # pyright: ignore

    def answer(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    trusting = ssl.create_default_context(cafile=file)
    monkeypatch.setattr(httpx2, "AsyncClient", partial(httpx2.AsyncClient, verify=trusting))
    leads(monkeypatch, ["127.0.0.1"], ["127.0.0.1"])
    with sqlite.migrated() as url, telling(url, clock) as credits, answering(answer, theirs) as place:
        for name in ("hook", "other"):
            credits.add_endpoint(f"https://{name}.example:{place.partition(':')[2]}/")
        cross(credits, "ada")
        assert credits.deliver() == {"delivered": 1, "failed": 1, "given_up": 0}
        assert sorted(map(str, names)) == ["hook.example", "other.example"]
        [error] = [one.error for one in credits.event(credits.events()[0].id)[1] if one.error]
        assert "certificate is not valid for 'other.example'" in error
