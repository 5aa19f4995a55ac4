"""The Flamingo model: a frozen vision encoder, a connector, and gated cross-attention in a frozen language model."""
