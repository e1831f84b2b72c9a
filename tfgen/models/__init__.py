"""`tfgen.models`."""
