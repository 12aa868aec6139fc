"""Weakened versions of the service that the tests must tell from the real one."""
