"""A dataset that was built: looked into, checked, cut down, explained."""
