"""The credits of a SaaS template as a catalog: its prices and payouts, and the right ones where it went wrong."""

from datetime import UTC, datetime
from pathlib import Path

import farthing

now = datetime(2026, 1, 31, 12, tzinfo=UTC)
credits = farthing.open("sqlite://", catalog=Path(__file__).with_suffix(".toml"), clock=lambda: now)

print("the packages")
for package in credits.catalog.packages:
    quote = credits.quote(package=package)
    print(f"  {package:10} {quote.amount:>4} credits  {quote.currency} {quote.total}")


def available(account: str) -> str:
    return f"{now:%d %b}  {account:5} {credits.balance(account, 'credits').available:>4}"


print("signing up pays 50, once, for 30 days")
credits.open_account("ada")
credits.open_account("ada")
print(" ", available("ada"))

print("a yearly plan bought on 31 January pays on 28 February next, not again on 1 February")
credits.start_plan("ben", "pro_yearly", key="start")
credits.renew_plan("ben", key="pi_1")
for day in (datetime(2026, 2, 1, 12, tzinfo=UTC), datetime(2026, 2, 28, 12, tzinfo=UTC)):
    print(" ", available("ben"))
    now = day
    credits.drip()
print(" ", available("ben"))

print("a month that is paid for twice by mistake is paid out once, and a renewal pays again")
credits.start_plan("cleo", "pro", key="start")
credits.renew_plan("cleo", key="in_1")
try:
    credits.renew_plan("cleo", key="in_1, told again under another key")
except farthing.Refused as refused:
    print(" ", refused.code)
print(" ", available("cleo"))
now = datetime(2026, 3, 28, 12, tzinfo=UTC)
credits.renew_plan("cleo", key="in_2")
print(" ", available("cleo"))

print("who used 40 of 50 loses 10 when they expire, and not 50")
credits.open_account("dan")
credits.deduct("dan", "credits", 40, key="render:1")
credits.grant("dan", "credits", 100, key="own", source="gift")
now = datetime(2026, 4, 27, 12, tzinfo=UTC)
print(" ", available("dan"))

print("a lifetime plan pays every month for ever")
credits.start_plan("eve", "lifetime", key="start")
for month in range(24):
    now = datetime(2026 + (month + 4) // 12, (month + 4) % 12 + 1, 27, 12, tzinfo=UTC)
    credits.drip()
paid = credits.history("eve", kinds=["grant"]).data
print(f"  {now:%B %Y}: paid {len(paid)} times, {sum(line.amount for line in paid)} in all")
