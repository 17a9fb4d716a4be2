"""Plans from a shell."""

from pathlib import Path

import pytest

import farthing
from farthing.testing import Post, sandbox
from tests.cli.console import Run
from tests.stories.test_plans import PLANS

pytestmark = pytest.mark.row("D7", "S3", "S9")


@pytest.fixture
def shop(shop: Run, folder: Path) -> Run:
    (folder / "farthing.toml").write_text(PLANS)
    return shop


def test_a_plan_from_its_start_to_its_end(shop: Run):
    assert shop("plan", "show", "ada").out == "ada never had a plan.\n"
    assert shop("plan", "show", "ada", "--json").answer is None
    assert shop("plan", "start", "ada", "paid", "--key", "s").out.startswith(
        "ada has the plan paid (sub_1): on trial until "
    )
    assert shop("plan", "renew", "ada", "--key", "r", "--json").answer["plan"] == "paid"
    assert "PeriodNotDue" not in shop("plan", "renew", "ada", "--key", "r2").err
    assert shop("plan", "renew", "ada", "--key", "r2", "--json").error["code"] == "period_not_due"
    assert shop("plan", "change", "ada", "free", "--key", "c").out.endswith("Then it changes to free.\n")
    said = shop("plan", "cancel", "ada", "--key", "e", "--unused", "expire").out
    assert said.endswith("It ends with that: what is unused then is gone.\n")
    said = shop("plan", "cancel", "ada", "--key", "now", "--unused", "take_back").out
    assert "ended" in said
    assert shop("plan", "cancel", "ada", "--key", "x", "--unused", "burn", "--json").error["code"] == "invalid_field"
    assert shop("plan", "start", "ada", "gold", "--key", "g", "--json").error["code"] == "unknown_plan"


def test_one_job_by_its_name(shop: Run):
    shop("plan", "start", "ada", "pro", "--key", "s")
    [run] = shop("jobs", "run", "drip", "--json").answer["data"]
    assert (run["name"], run["counts"]["cycles"], run["error"]) == ("drip", 0, None)
    assert (
        shop("jobs", "run", "drip").out == "drip      0 cycles, 0 lots, 0 ended, 0 skipped, 0 unknown_plan, 0 failed\n"
    )
    assert shop("jobs", "run", "nothing", "--json").error["code"] == "invalid_field"
    names = {run["name"] for run in shop("jobs", "--once", "--json").answer["data"]}
    assert names == {"deliver", "drip", "expire", "plans", "reconcile", "remind", "top_up", "webhooks"}


@pytest.mark.row("P12")
def test_what_a_provider_bills(shop: Run, folder: Path, database_url: str):
    text = PLANS.replace("[plans.paid]\n", '[plans.paid]\nprice = { USD = "9.00" }\n')
    (folder / "farthing.toml").write_text(text)
    assert shop("plan", "billings", "ada").out == "ada bought no plan at a provider.\n"
    assert shop("plan", "portal", "ada", "--json").error["code"] == "not_subscribed"
    with farthing.open(database_url, catalog=folder / "farthing.toml", providers=[sandbox()]) as credits:
        billing = credits.buy_plan("ada", "paid", key="k").billing
        post = Post(credits)
        post.deliver(post.plan(billing, cancels=True))
    out = shop("plan", "billings", "ada").out
    assert out.startswith(f"{billing.id}: paid at sandbox, USD 9.00 a period: active, ends with what is paid\n")
    assert "  USD 9.00 on " in out.replace(f"inv_{billing.id}_1", "") and out.endswith(": opened\n")
    [one] = shop("plan", "billings", "ada", "--json").answer["data"]
    assert (one["status"], one["invoices"][0]["outcome"]) == ("active", "opened")
