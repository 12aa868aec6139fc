"""Pure rules: values in, values out; no input or output, clock, logging or threads."""
