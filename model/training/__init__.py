"""Batches become a trained model: the loop, its checkpoints and what it tells of itself."""
