"""What one transaction counts or carries on, no other one changes meanwhile: asked of PostgreSQL itself.

On SQLite a transaction that writes is alone. Races alone would not tell: the gap between reading and writing is narrow.
"""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from farthing import Credits
from farthing.store import promos
from farthing.store import subscriptions as subscribed
from tests.databases import Databases
from tests.kit import Clock, proved
from tests.stories.test_plans import PLANS


def locked(credits: Credits, table: str) -> bool:
    """Whether every row of the table is locked by somebody else."""
    engine = sa.create_engine(credits.database.url)
    try:
        with engine.connect() as connection:
            rows = connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one()
            free = connection.execute(sa.text(f"SELECT 1 FROM {table} FOR UPDATE SKIP LOCKED")).all()
            return rows > 0 and not free
    finally:
        engine.dispose()


@pytest.mark.row("S8", "S9")
def test_the_job_and_verbs_lock_the_subscription_that_they_carry_on(postgresql: Databases, clock: Clock):
    with postgresql.migrated() as url, proved(url, clock, PLANS) as credits:
        credits.start_plan("ada", "free", key="s")
        assert not locked(credits, "farthing_subscriptions")
        with credits.begin() as tx:
            subscribed.read(tx.session, [("ada", 1)])
            assert locked(credits, "farthing_subscriptions")
        with credits.begin() as tx:
            subscribed.running(tx.session, "ada", locked=True)
            assert locked(credits, "farthing_subscriptions")


@pytest.mark.row("C4")
def test_a_promo_code_is_locked_before_its_uses_are_counted(postgresql: Databases, clock: Clock):
    with postgresql.migrated() as url, proved(url, clock, PLANS) as credits:
        for known in (False, True):
            with credits.begin() as tx:
                promos.lock(tx.session, "TEN", clock.now)
                assert locked(credits, "farthing_promo_codes") is known
