"""Noise by counter."""
