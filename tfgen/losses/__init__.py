"""`tfgen.losses`."""
