"""`weft report`: one HTML file that shows a dataset. It holds all it needs, and no script."""
