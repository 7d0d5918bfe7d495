"""The report on one ranking."""
