"""A credits handler of a boilerplate as a catalog: its prices and payouts, and the right ones where it went wrong."""

import sys
from datetime import UTC, datetime
from pathlib import Path

import farthing

sys.path.insert(0, str(Path(__file__).parent))  # where shop.pricing is
now = datetime(2026, 1, 15, tzinfo=UTC)
credits = farthing.open("sqlite://", catalog=Path(__file__).with_suffix(".toml"), clock=lambda: now)

print("by volume: the whole amount at the slab it falls in")
for amount in (100, 101, 500, 501):
    quote = credits.quote("image_generation", amount)
    print(f"  {amount:>4} credits  {quote.currency} {quote.total}")
try:
    credits.quote("image_generation", 1001)
except farthing.Refused as refused:
    print("  1001 credits ", refused.code)

print("a price of the application's own, which knows the plan")
for plan in (None, "basic", "pro"):
    print(f"  {credits.quote('video_seconds', 60, plan=plan).total} for {plan or 'anyone'}")


def available(what: str) -> str:
    return f"{now:%d %b}: {credits.balance('ada', what).available} {what}"


print("50 for signing up, 100 with the plan, 100 more when it renews")
credits.open_account("ada")
credits.start_plan("ada", "basic", key="sub_1")
credits.renew_plan("ada", key="in_1")
print(" ", available("image_generation"))
now = datetime(2026, 2, 15, tzinfo=UTC)
credits.renew_plan("ada", key="in_2")
print(" ", available("image_generation"))

print("an upgrade pays what the new plan has more, once, however often it is switched")
for number, plan in enumerate(("pro", "basic", "pro")):
    credits.change_plan("ada", plan, key=f"switch {number}")
print(" ", available("image_generation"))
print(" ", available("video_seconds"))
