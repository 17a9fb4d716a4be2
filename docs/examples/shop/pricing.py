"""The application's own prices."""

from decimal import Decimal

from farthing import Money
from farthing.core.plans import Plan


def video(amount: Decimal, *, currency: str, plan: Plan | None, account: str | None) -> Money:
    """Twenty cents a second, and a cent less for each seat of the plan."""
    seats = plan.attributes.get("seats", 0) if plan else 0
    return Money(int(amount) * (20 - seats), currency)
