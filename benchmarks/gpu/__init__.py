"""What one GPU makes of the network and of training: `python -m benchmarks.gpu`."""
