"""A bound on pickles of tensors: tuples that hold earlier tuples over and over take exponential time as keys.

A tuple that holds another one twice, that one a third twice and so on, is small as a pickle, but its hash visits every
part as often as it is reached: 2 to the power of the depth. Unpicklers that run no code still hash the keys of
dictionaries.
"""

from __future__ import annotations

import io
import pickletools
import zipfile

MOST_SHARED = 16
"""Distinct tuples that a pickle may refer to again; checkpoints refer to one or two (the betas of Adam)."""
_TUPLES = {"TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"}
_PUTS = {"PUT", "BINPUT", "LONG_BINPUT"}
_GETS = {"GET", "BINGET", "LONG_BINGET"}


def shares_many_tuples(archive: bytes | memoryview) -> bool:
    """Whether a pickle in an archive of `torch.save` refers again to more tuples than one that was written here.

    Raises:
        BadZipFile, ValueError: the archive or a pickle in it cannot be read.
    """
    with zipfile.ZipFile(io.BytesIO(archive)) as entries:
        return any(_many(entries.read(name)) for name in entries.namelist() if name.endswith(".pkl"))


def _many(pickle: bytes) -> bool:
    tuples: set[int] = set()
    shared: set[int] = set()
    stored, before = 0, ""
    for operation, argument, _ in pickletools.genops(pickle):
        name = operation.name
        if name == "DUP":  # torch writes none
            return True
        if name in _PUTS or name == "MEMOIZE":
            number = stored if argument is None else int(argument)
            stored += 1
            if before in _TUPLES:
                tuples.add(number)
        elif name in _GETS and int(argument or 0) in tuples:
            shared.add(int(argument or 0))
            if len(shared) > MOST_SHARED:
                return True
        before = name
    return False
