"""Texts: rules, language, repetition, personal data, signatures."""
