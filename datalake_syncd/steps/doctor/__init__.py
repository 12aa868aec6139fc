"""``doctor``: looks at everything that a run needs, before a run needs it."""
