"""Bring bytes in: archives and, later, the live web."""
