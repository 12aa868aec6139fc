"""The steps of the road; each takes a context and answers what comes next."""
