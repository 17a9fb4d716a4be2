"""Plans: subscriptions that are started, changed and cancelled, and what each of their cycles pays, once."""
