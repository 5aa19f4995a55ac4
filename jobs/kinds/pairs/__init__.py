"""Images with their captions."""
