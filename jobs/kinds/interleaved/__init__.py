"""Pages as texts and images in the order of a reader."""
