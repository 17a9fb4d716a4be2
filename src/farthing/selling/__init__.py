"""Quotes, orders and webhooks: from what the catalog asks to what was paid."""
