"""Values that name an architecture by its index."""

import pytest

from supernet.benchmarks.errors import BadArchitecture
from supernet.harness.correlation.naming import as_index

LAST = 9_119_789_245_425_254_399
"""The last index of the cells of DARTS."""


@pytest.mark.parametrize(
    ("value", "index"),
    [
        (7, 7), ("7", 7), (" 7.00 ", 7), (7.0, 7), (0, 0), ("0", 0), (-3, -3), (LAST, LAST), (str(LAST), LAST),
        (float(1 << 53), 1 << 53), (7.5, None), ("7.5", None), ("1e3", None), ("-3", None), ("9" * 20, None),
    ],
)  # fmt: skip
def test_whole_numbers_are_indices(value, index):
    assert as_index(value) == index


@pytest.mark.parametrize("value", [float(LAST), f"{LAST}.0", 2.0**60, "12345678901234567.0"])
def test_an_index_that_lost_its_digits_is_refused(value):
    with pytest.raises(BadArchitecture, match=r"index \d+ is written as a floating-point number"):
        as_index(value)


@pytest.mark.parametrize("value", [1 << 63, "9999999999999999999", 1e300, 10**4000])
def test_an_index_beyond_all_spaces_is_refused_in_few_words(value):
    with pytest.raises(BadArchitecture, match="is too large") as caught:
        as_index(value)
    assert len(str(caught.value)) < 120
