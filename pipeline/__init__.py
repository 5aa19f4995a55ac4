"""Bytes to samples: extract, clean, decode. Plain functions that know no engine."""
