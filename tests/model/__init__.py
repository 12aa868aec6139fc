"""The real service on a simulated lake and clock, walked at random, with its laws checked."""
