"""The version of the digits task, separate from its code, which takes a while to import."""

DIGITS_VERSION = 1
"""Incremented with every change of digits.py that changes a pixel; results of different versions are not comparable."""
