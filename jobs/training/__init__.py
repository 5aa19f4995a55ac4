"""`weft train` around `model.training`: generated data, Ray Train, progress."""
