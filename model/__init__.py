"""Shards to batches to loss: the loader, the network and training live here."""
