"""Things to try the service with, without an instrument."""
