"""What a dataset says of itself: `croissant.json` and a card for the Hugging Face hub, from the same facts."""
