"""The Illumina family: one set of rules, the files that say them, and a table of models."""
