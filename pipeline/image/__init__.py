"""One image: its reference in a page, rules, decoding, resizing, hashing."""
