"""The errors that a user can cause. The command line prints their text as one paragraph, without a trace-back."""


class UserError(Exception):
    """Something the user can put right: the text says what was wrong, where, and what to do."""


class BadArchitecture(UserError):
    """A spelling that names no architecture of the space."""


class BadTable(UserError):
    """A ground-truth table or benchmark file that is truncated, altered or not what it claims to be."""


class NoSuchResult(UserError):
    """A question that the ground truth does not answer; the text lists what it can answer."""


class BadYaml(UserError):
    """Text that is not YAML as the project's files use it; the message says where and why."""
