"""The prices of the two systems that this one replaces, to the last minor unit."""

from decimal import Decimal

import pytest

from farthing.errors import TotalTooSmall
from tests.kit import Clock, proved

SHOP = """
[credit_types.images]
name = "Images"

[credit_types.tokens]
name = "Tokens"

[prices.images]
mode = "volume"
[[prices.images.slabs.USD]]
from = 1
to = 100
unit = "0.10"
[[prices.images.slabs.USD]]
from = 101
unit = "0.08"
[[prices.images.slabs.JPY]]
from = 1
unit = "14.5"
[[prices.images.slabs.KWD]]
from = 1
unit = "0.0305"

[prices.tokens]
mode = "volume"
[[prices.tokens.slabs.USD]]
from = 1
unit = "0.0001"
""" + "".join(
    f"""
[packages.p{credits}]
credit_type = "images"
credits = {credits}
price = {{ USD = "{price}" }}
"""
    for credits, price in ((100, "9.90"), (200, "14.90"), (500, "39.90"), (1000, "69.90"))
)


@pytest.mark.row("C2", "C6", "C7", "C8")
def test_the_numbers_of_both(database_url: str, clock: Clock):
    with proved(database_url, clock, SHOP) as credits:
        hundred, more = credits.quote("images", 100), credits.quote("images", 101)
        assert (str(hundred.total), str(more.total)) == ("10.00", "8.08")
        assert hundred.next_slab
        assert (hundred.next_slab.amount, hundred.next_slab.more_minor) == (101, -192)  # buy 101 and save 1.92
        assert [str(credits.quote(package=f"p{count}").total) for count in (100, 200, 500, 1000)] == [
            *("9.90", "14.90", "39.90", "69.90")
        ]
        assert [credits.quote(package=f"p{count}").unit_price for count in (100, 200, 500, 1000)] == [
            *map(Decimal, ("0.099", "0.0745", "0.0798", "0.0699"))
        ]
        assert [(str(credits.quote("images", 3, currency=code).total)) for code in ("JPY", "KWD")] == ["44", "0.092"]
        assert str(credits.quote("tokens", 12_345).total) == "1.23"
        assert str(credits.quote("tokens", 50).total) == "0.01"  # half a cent, up
        with pytest.raises(TotalTooSmall, match=r"rounded from 0\.0049"):
            credits.quote("tokens", 49)
