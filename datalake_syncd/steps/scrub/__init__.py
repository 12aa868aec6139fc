"""Published runs are read back from the lake and compared; nothing is written there."""
