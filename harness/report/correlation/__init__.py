"""The report of one ranking."""
