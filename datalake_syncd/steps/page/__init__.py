"""The page, the metrics and the answers about health: all read from the ledger."""
