"""The ledger's verbs and readings: from what a caller asks to what the store writes."""
