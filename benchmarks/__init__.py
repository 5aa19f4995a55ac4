"""What the figures of README and docs come from."""
