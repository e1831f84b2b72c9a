"""`tfgen.layers`."""
