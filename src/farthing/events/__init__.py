"""Events for others: who is told, how they are sent and signed, and what is told of by the clock."""
