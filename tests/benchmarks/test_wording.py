import pytest

from supernet.benchmarks.wording import did_you_mean, encodable, listed, nearest, quoted, series


def nested(depth):
    value = ["x"]
    for _ in range(depth):
        value = [value] * 10
    return value


@pytest.mark.parametrize(
    "value",
    ["x" * 10**6, 10**5000, nested(9), {"k" * 500: 1}, dict.fromkeys(range(10**5)), b"y" * 500, [["\n" * 300]]],
    ids=["text", "number", "nested", "key", "mapping", "bytes", "lines"],
)
def test_a_quoted_value_is_short_and_on_one_line(value):
    text = quoted(value)
    assert len(text) < 200
    assert "\n" not in text


@pytest.mark.parametrize("value", ["a", 1, 0.5, None, True, [], {}, [1, 2], {"a": 1}])
def test_a_small_value_is_quoted_as_it_is(value):
    assert quoted(value) == repr(value)


def test_lists_of_names_are_cut():
    assert listed("abc") == "a, b, c"
    assert listed(range(100), 2) == "0, 1 and 98 more"
    assert len(listed(["n" * 10_000] * 10_000)) < 1500


def test_lists_in_sentences_end_with_and():
    assert [series("abc"[:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert series("abc", 3) == "a, b and c"
    assert series("abcd", 2) == "a, b and 2 more"


def test_the_nearest_name_knows_aliases_and_case():
    assert nearest("ImageNet16-120", ["cifar10", "imagenet16-120"]) == "imagenet16-120"
    assert nearest("lr", ["clip"], {"lr": "training.learning_rate"}) == "training.learning_rate"
    assert nearest("zzz", ["clip"]) is None
    assert did_you_mean("trian", ["train", "rank"]) == "did you mean train?"
    assert did_you_mean("zzz", ["train", "rank"]) == "there is train, rank."


def test_what_utf8_cannot_encode_appears_as_an_escape():
    assert encodable("τ \udce9") == "τ \\udce9"
