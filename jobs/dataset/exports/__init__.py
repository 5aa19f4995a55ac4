"""A dataset in the forms of others, file for file of its shards."""
