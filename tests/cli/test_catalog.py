"""`farthing catalog …`: looking at a catalog before it counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from farthing.catalog.editors import json_schema
from tests.cli.console import Run
from tests.kit import SHOP as IMAGES
from tests.test_telling import SHOP


@pytest.fixture
def files(folder: Path) -> Path:
    """A folder with a catalog, the same written otherwise, one that says something else, and a wrong one."""
    (folder / "farthing.toml").write_text(SHOP, "utf-8")
    (folder / "same.toml").write_text(SHOP.replace('"9.90"', "9.9"), "utf-8")
    (folder / "other.toml").write_text(
        SHOP.replace('"9.90"', "990").replace("selling = true", "selling = false"), "utf-8"
    )
    (folder / "wrong.toml").write_text(SHOP.replace('"9.90"', '"ten"'), "utf-8")
    return folder


@pytest.mark.row("C1", "C7")
def test_diff_says_what_changed_and_ends_as_diff_does(run: Run, files: Path):
    same = run("catalog", "diff", "farthing.toml", "same.toml")
    assert (same.code, same.out) == (0, "farthing.toml and same.toml say the same.\n")
    other = run("catalog", "diff", "farthing.toml", "other.toml")
    assert (other.code, other.out.splitlines()) == (
        1,
        [
            "changed  catalog, selling: on → off",
            "changed  package starter, price in USD: USD 9.90 → USD 990.00",
        ],
    )
    for wrong in ("wrong.toml", "none.toml"):
        refused = run("catalog", "diff", "farthing.toml", wrong, "--json")
        assert (refused.code, refused.out, refused.error["code"]) == (3, "", "catalog_invalid")
        assert wrong in refused.error["message"]


@pytest.mark.row("C1")
def test_diff_for_programs(run: Run, files: Path):
    versions = [run("catalog", "check", name, "--json").answer["version"] for name in ("farthing.toml", "other.toml")]
    other = run("catalog", "diff", "farthing.toml", "other.toml", "--json")
    assert other.code == 1
    assert [other.answer["before"], other.answer["after"]] == versions
    assert other.answer["data"] == [
        {"change": "changed", "kind": "catalog", "code": "", "setting": "selling", "before": "on", "after": "off"},
        {
            "change": "changed", "kind": "package", "code": "starter", "setting": "price in USD",
            "before": "USD 9.90", "after": "USD 990.00",
        },
    ]  # fmt: skip
    assert run("catalog", "diff", "farthing.toml", "same.toml", "--json").answer["data"] == []


@pytest.mark.row("C1", "C7")
def test_show_says_what_a_catalog_says(run: Run, files: Path):
    shown = run("catalog", "show", "other.toml")
    assert shown.code == 0
    for words in (
        "other.toml, version ",
        "Switched off: selling.",
        "starter  100 + 10 images              USD 990.00",
        "images   10 to 1000 images, graduated  USD 0.10 each",
        "500 images, rollover up to 250 images, expires 60d",
        "20 images",
        "USD 99.00",
    ):
        assert " ".join(words.split()) in " ".join(shown.out.split()), words
    assert "Everything is switched on." in run("catalog", "show").out
    assert run("catalog", "show", "wrong.toml").code == 3


@pytest.mark.row("C1", "C4", "C9")
def test_show_says_what_is_charged_and_what_promo_codes_give(run: Run, files: Path):
    (files / "farthing.toml").write_text(
        SHOP.replace("disabled = false\n\n[promo_codes.LESS]", "disabled = true\n\n[promo_codes.LESS]")
    )
    lines = [" ".join(line.split()) for line in run("catalog", "show").out.splitlines()]
    for line in (
        "talk model deep 2 chat per 1000 tokens rounded up, at least 0.01",
        "talk model deep 0.05 chat a call rounded up, at least 0.01",
        "TENTH 10 % off 5 1 from 2026-12-01T00:00:00+00:00, until 2026-12-24T00:00:00+00:00, only for packages big, "
        "only for credit types images, not taken now",
        "LESS USD 1.00 off any number 1",
        "MORE 20 images any number 1",
    ):
        assert line in lines


@pytest.mark.row("C1")
def test_show_for_programs(run: Run, files: Path):
    answer = run("catalog", "show", "--json").answer
    assert answer["catalog"]["currency"] == "USD"
    says = {(one["kind"], one["code"]): one["says"] for one in answer["data"]}
    assert says["package", "starter"]["price in USD"] == "USD 9.90"
    assert says["plan", "pro"]["images in each cycle"] == "500 images, rollover up to 250 images, expires 60d"


@pytest.mark.row("C1")
def test_schema_prints_the_schema(run: Run):
    printed = run("catalog", "schema")
    assert (printed.code, json.loads(printed.out)) == (0, json_schema())


@pytest.mark.row("C1")
def test_the_command_line_shows_a_version(shop: Run, folder: Path):
    shop("open", "ada")
    version = shop("catalog", "check", "--json").answer["version"]
    shown = shop("catalog", "show", "--version", version)
    assert (shown.code, shown.out.splitlines()[0]) == (0, f"As of {version}, version {version}: USD, UTC, en.")
    (folder / "farthing.toml").write_text(IMAGES.replace("amount = 10", "amount = 20"))
    says = {one["kind"]: one["says"] for one in shop("catalog", "show", "--version", version, "--json").answer["data"]}
    assert says["gift"]["amount"] == "10 images"
    assert shop("catalog", "show", "--version", "nothing").code == 1
    assert shop("catalog", "show", "farthing.toml", "--version", version).code == 2
