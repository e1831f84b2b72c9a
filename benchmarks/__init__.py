"""Measurements of tfgen, beside its peers."""
