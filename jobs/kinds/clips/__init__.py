"""Captioned pieces of videos."""
