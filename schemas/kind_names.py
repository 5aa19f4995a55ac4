"""How the kinds of sample are called. Commands that need no more start without the packages of `schemas.kinds`."""

INTERLEAVED, PAIRS, CLIPS = NAMES = ("interleaved", "pairs", "clips")
