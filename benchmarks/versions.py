"""The version of the digits task, apart from the code that makes it, which takes a while to import."""

DIGITS_VERSION = 1
"""Goes up with every change of digits.py that changes a pixel; results of different versions do not compare."""
