"""Mass spectrometry: vendors' units, and the layouts of growing data sets."""
