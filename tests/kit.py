"""What stories are told with: a clock to move and a shop with two credit types."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import farthing
from farthing.catalog import Catalog, parse
from farthing.testing import START, Clock, prove

__all__ = ["SHOP", "START", "Clock", "proved", "shop"]

SHOP = """
[credit_types.images]
name = "Image credits"

[credit_types.chat]
name = "Chat credits"
scale = 2
expires = "30d"
overdraft = "5.00"

[gifts.images]
amount = 10
expires = "30d"
"""


def shop(text: str = SHOP) -> Catalog:
    """A catalog out of its text."""
    return parse(text)


@contextmanager
def proved(url: str, clock: Clock, text: str = SHOP) -> Iterator[farthing.Credits]:
    """Credits on a migrated database; when the story ends, `prove` has to prove every balance it left."""
    with farthing.open(url, catalog=shop(text), clock=clock) as credits:
        yield credits
        prove(credits)
