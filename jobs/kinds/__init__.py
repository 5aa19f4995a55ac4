"""The kinds of sample, and what is common to the way they are fetched and written."""
