"""`tfgen.evaluation`."""
