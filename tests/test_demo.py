"""`make demo` is what a newcomer sees first: all of it works, and every link it prints."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys

import httpx2
import pytest

from tests.portal.customer import Page

VISIT = re.compile(r'name="visit" value="(\w+)"')
COMMAND = [sys.executable, "-m", "farthing", "demo"]


@pytest.mark.row("P5")
def test_the_demo_buys_uses_up_and_proves(tmp_path):
    done = subprocess.run([*COMMAND, "--once", "--json"], cwd=tmp_path, capture_output=True, text=True, check=True)
    told = json.loads(done.stdout)
    assert (told["gift"], told["order"]["status"], told["order"]["paid_minor"]) == (10, "fulfilled", 990)
    assert told["used"] == told["gift"] + told["order"]["amount"] + told["order"]["bonus"]
    assert (told["refused"], told["left"], told["proved"]) == (told["callers"], 0, True)
    assert list(tmp_path.iterdir()) == []


def test_the_demo_for_people_is_a_small_table(tmp_path):
    done = subprocess.run([*COMMAND, "--once"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert re.search(r"^sign-up gift +10 ", done.stdout, re.MULTILINE)
    assert re.search(r"^used +-110 ", done.stdout, re.MULTILINE)
    assert "Proved: 113 entries" in done.stdout


@pytest.mark.row("U9")
def test_the_links_it_prints_work_when_clicked(tmp_path):
    running = subprocess.Popen([*COMMAND, "--port", "0"], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout
        lines: list[str] = []
        while "Ctrl-C" not in "".join(lines[-1:]):
            lines.append(running.stdout.readline())
            assert lines[-1], "the demo ended by itself"
        told = "".join(lines)
        with httpx2.Client(follow_redirects=True) as visitor:
            for enter in re.findall(r"Portal as \w+: +(\S+)", told) * 2:
                page = visitor.get(enter).raise_for_status()
                form = dict(re.findall(r'name="(\w+)" value="([^"]*)"', page.text))
                inside = visitor.post(enter, data=form, headers={"Origin": enter.split("/portal")[0]})
                assert inside.raise_for_status().url.path == "/portal/"
            assert where_buying_leads(visitor, enter.split("/portal")[0]) == "/portal/orders/ord_…"
            docs = re.search(r"API: +(\S+)", told)
            assert docs
            visitor.get(docs[1]).raise_for_status()
            curl = re.search(r"-H '(\w+): (.+?)' (\S+)", told)
            assert curl
            balances = visitor.get(curl[3], headers={curl[1]: curl[2]}).raise_for_status().json()
            assert {one["credit_type"]: one["available"] for one in balances["data"]}["images"] == 0
    finally:
        running.send_signal(signal.SIGINT)
        assert running.wait(30) == 130


def where_buying_leads(visitor: httpx2.Client, site: str) -> str:
    """Where somebody who is signed in ends after paying for a package, as long as that is on the same site."""
    form = Page(visitor.get(f"{site}/portal/buy").text).form("Buy Starter for $9.90")
    pay_page = visitor.post(f"{site}{form.pop('action')}", data=form, headers={"Origin": site}).raise_for_status()
    visit = VISIT.search(pay_page.text)
    assert visit and str(pay_page.url).startswith(site)
    done = visitor.post(pay_page.url, data={"action": "pay", "visit": visit[1]}).raise_for_status()
    while "Waiting for your payment" in done.text:  # its webhook is acknowledged before it is handled
        done = visitor.get(done.url).raise_for_status()
    assert "Thank you" in done.text  # so the session was there, too
    return re.sub(r"ord_\w+$", "ord_…", str(done.url).removeprefix(site))
