"""`tfgen.training`."""
