"""Hostile and odd input of every class, made from a seed, with an oracle for each: see `python -m benchmarks.zoo`."""
