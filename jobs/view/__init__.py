"""`weft view`: a web page on this machine to look through a dataset. It reads, and never writes."""
