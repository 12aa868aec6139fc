"""Simulated sequencers, by the layout of their base calls; ``demo.sequencer`` lists them all."""
