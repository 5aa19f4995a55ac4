"""Weights of others as a run of weft."""
