"""Batches become a trained model: the loop, its checkpoints and its metrics."""
