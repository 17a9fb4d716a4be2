"""Who writes the plain verbs of this process: each account's are written by one shard, in the order they came."""

from __future__ import annotations

from collections.abc import Callable

from farthing.ledger.beat import Command, Outcome
from farthing.ledger.shard import Answering, Clock, Shard
from farthing.store.database import Database

SHARDS = 2  # one works on its batch while the database works on the other's


class Writer:
    """The shards of this process: several where the database locks rows, one where it has one lock for all."""

    def __init__(self, database: Database, clock: Clock, before: Callable[[], None]) -> None:
        """`before` is called before each batch, in the thread that writes it."""
        count = SHARDS if database.dialect.locks_rows else 1
        self._shards = [Shard(database, clock, before) for _ in range(count)]

    def shard(self, account: str) -> Shard:
        """Who writes this account's."""
        return self._shards[hash(account) % len(self._shards)]

    def submit(self, command: Command, answer: Answering) -> None:
        """Queues a command; it is answered after the commit that holds it. From here on nobody can take it back."""
        self.shard(command.account).submit(command, answer)

    def carry_out(self, command: Command) -> Outcome:
        """The outcome of a command, for a caller that waits."""
        return self.shard(command.account).carry_out(command)

    def close(self) -> None:
        """Answers what is queued, then ends the threads."""
        for shard in self._shards:
            shard.close()
