"""Pruning whole runs: evidence read now, a plan or reasons, and the trash."""
