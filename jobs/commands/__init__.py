"""One module a command: what it takes from the command line, and what it prints."""
