"""Datasets of others as archives, so that a build makes datasets of weft of them like of any archive."""
