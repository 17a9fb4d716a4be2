"""A changed catalog is taken up without a restart; a broken one is not."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import httpx2
import pytest

import farthing
from farthing import AsyncCredits, Credits
from farthing.catalog import Catalog, parse
from farthing.errors import CatalogInvalid, ScaleChanged, UnknownCreditType
from farthing.ledger.posting import Call, Checking
from tests.faults.serving import free_port, serving
from tests.kit import SHOP, Clock, proved, shop
from tests.selling import STORE, selling

MORE = SHOP + '\n[credit_types.video]\nname = "Video"\n'


@pytest.mark.row("C1")
def test_a_changed_file_counts_from_then_on(database_url: str, clock: Clock, tmp_path: Path):
    file = tmp_path / "farthing.toml"
    file.write_text(STORE)
    with selling(database_url, clock) as credits:
        order = credits.checkout("ada", package="starter", key="buy:1").order
        file.write_text(STORE.replace('"9.90"', '"11.00"'))
        assert credits.quote(package="starter").total_minor == 990
        assert credits.reload(file).version == credits.catalog.version
        assert credits.quote(package="starter").total_minor == 1100
        assert credits.checkout("ada", package="starter", key="buy:1").order == order
        assert credits.checkout("ada", package="starter", key="buy:2").order.total_minor == 1100


@pytest.mark.row("C1")
def test_a_broken_file_changes_nothing_and_says_why(credits: Credits, tmp_path: Path):
    before, file = credits.catalog, tmp_path / "farthing.toml"
    with pytest.raises(CatalogInvalid, match="There is no"):
        credits.reload(file)
    file.write_text(SHOP.replace("scale = 2", "scael = 2"))
    with pytest.raises(CatalogInvalid, match="scael: there is no such setting; did you mean scale"):
        credits.reload(file)
    assert credits.catalog is before
    assert credits.grant("ada", "chat", "0.25", key="g", source="gift").catalog_version == before.version


@pytest.mark.row("C1")
def test_a_scale_that_is_settled_cannot_be_reloaded_away(credits: Credits):
    before = credits.catalog
    credits.grant("ada", "chat", "0.25", key="g", source="gift")
    with pytest.raises(ScaleChanged, match="Set it back to 2"):
        credits.reload(shop(SHOP.replace("scale = 2", "scale = 3")))
    assert credits.catalog is before
    credits.reload(shop(SHOP.replace('name = "Chat credits"', 'name = "Talk"')))
    assert credits.deduct("ada", "chat", "0.25", key="d").posted == 0


@pytest.mark.row("C1")
def test_a_block_that_runs_goes_on_by_the_catalog_it_began_with(credits: Credits):
    before = credits.catalog.version
    with credits.begin() as tx:
        tx.grant("ada", "images", 1, key="a", source="gift")
        credits.catalog = shop(MORE)  # as reload does at its end; on a file, its look at the scales waits for nobody
        assert tx.grant("ada", "images", 1, key="b", source="gift").catalog_version == before
        with pytest.raises(UnknownCreditType):
            tx.grant("ada", "video", 1, key="c", source="gift")
    assert credits.grant("ada", "video", 1, key="c", source="gift").catalog_version == shop(MORE).version


@pytest.mark.row("C1")
def test_code_that_awaits_sees_it_too(database_url: str, clock: Clock):
    async def story(credits: AsyncCredits) -> None:
        with pytest.raises(UnknownCreditType):
            await credits.grant("ada", "video", 1, key="a", source="gift")
        await credits.reload(shop(MORE))
        receipt = await credits.grant("ada", "video", 1, key="a", source="gift")
        assert [one.version for one in await credits.catalog_versions()] == [receipt.catalog_version]
        assert (await credits.catalog_version(shop(MORE).version)).document == shop(MORE).document

    with proved(database_url, clock) as credits:
        asyncio.run(story(AsyncCredits(credits)))


def eventually(happened: Callable[[], bool]) -> None:
    until = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.row("C1")
@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
def test_a_served_process_takes_it_up_on_sighup_and_outlives_a_broken_one(database_url: str, tmp_path: Path):
    port = free_port()
    with serving(database_url, tmp_path, port) as server:

        def types() -> list[str]:
            shown = httpx2.get(f"http://127.0.0.1:{port}/v1/catalog", trust_env=False).json()
            return [kind["code"] for kind in shown["credit_types"]]

        assert types() == ["images", "chat"]
        (tmp_path / "farthing.toml").write_text("broken")
        server.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        assert types() == ["images", "chat"]
        (tmp_path / "farthing.toml").write_text(MORE)
        server.send_signal(signal.SIGHUP)
        eventually(lambda: types() == ["images", "chat", "video"])
        assert server.poll() is None


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no SIGHUP")
def test_so_does_the_process_that_runs_jobs(database_url: str, tmp_path: Path):
    catalog, log = tmp_path / "farthing.toml", tmp_path / "log"
    catalog.write_text(SHOP)
    environment = os.environ | {"FARTHING_DATABASE_URL": database_url, "FARTHING_CATALOG": str(catalog)}
    with log.open("wb") as output:
        command = [sys.executable, "-m", "farthing", "jobs", "--every", "60"]
        process = subprocess.Popen(command, env=environment, cwd=tmp_path, stdout=output, stderr=output)
        try:
            eventually(lambda: b"webhooks" in log.read_bytes())
            for text, words in (("broken", b"was not taken up"), (MORE, b"was read again")):
                catalog.write_text(text)
                process.send_signal(signal.SIGHUP)
                eventually(lambda words=words: words in log.read_bytes())
            assert farthing.load_catalog(catalog).version.encode() in log.read_bytes()
        finally:
            process.kill()
            process.wait()


class Turning(Checking):
    """Commands of somebody whose catalog is another one each time it is looked at."""

    def __init__(self, catalogs: list[Catalog]) -> None:
        self._turns = cycle(catalogs)

    @property
    def catalog(self) -> Catalog:  # pyright: ignore[reportIncompatibleVariableOverride]
        return next(self._turns)


@pytest.mark.row("C1")
@pytest.mark.parametrize(
    "call",
    [
        farthing.call.grant("ada", "images", 1, key="k", source="gift"),
        farthing.call.deduct("ada", "images", 1, key="k"),
        farthing.call.charge("ada", "render", {"seconds": 2}, key="k"),
        farthing.call.hold("ada", "images", 1, key="k"),
        farthing.call.hold_for("ada", "render", {"seconds": 2}, key="k"),
        farthing.call.capture("ada", "hold_images_1"),
        farthing.call.capture_for("ada", "hold_images_1", "render", {"seconds": 2}),
        farthing.call.release("ada", "hold_images_1"),
        farthing.call.extend("ada", "hold_images_1", "1h", key="k"),
        farthing.call.reverse("ada", "ent_images_1", key="k"),
        farthing.call.void("ada", "lot_images_1", key="k"),
        farthing.call.clawback("ada", "lot_images_1", 1, key="k", rest="debt"),
        farthing.call.transfer("ada", "bob", "images", 1, key="k"),
    ],
    ids=lambda call: call.verb,
)
def test_a_verb_goes_by_one_catalog_however_often_that_is_reloaded(call: Call):
    text = (
        SHOP + '[operations.render]\ncredit_type = "images"\n[[operations.render.rates]]\nmeasures = { seconds = 1 }\n'
    )
    catalogs = [parse(text.replace("Image credits", name)) for name in ("One", "Two")]
    types = {catalog.version: catalog.credit_types["images"] for catalog in catalogs}
    made = Turning(catalogs).command(call)
    assert made.credit_type == types[str(made.stamp.catalog_version)]
