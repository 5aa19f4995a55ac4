"""A crawl over partitions of its frontier."""
