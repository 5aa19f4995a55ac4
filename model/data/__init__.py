"""Shards become batches: reading, order, sequences, packing, images, and the loader over them."""
