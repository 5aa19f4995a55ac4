"""Features of a frozen encoder, written beside the shards: the encoder at work, a shard at a time."""
