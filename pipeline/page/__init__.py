"""One page: markup, walk, main content, metadata; what is kept of it and why."""
