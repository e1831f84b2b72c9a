"""`tfgen.serving`."""
