"""Public datasets as they are downloaded: their annotations and files become items."""
