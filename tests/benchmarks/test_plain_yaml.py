import pytest

from supernet.benchmarks.plain_yaml import MOST_BYTES, BadYaml, parse_yaml, read_yaml


def laughs() -> str:
    text = "&a0 [x,x]"
    for i in range(1, 9):
        text = f"&a{i} [{text}," + ",".join([f"*a{i - 1}"] * 9) + "]"
    return f"seed: {text}\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (laughs(), "anchor"),
        ("a: &x {b: 1}\nc: {<<: [*x, *x]}", "anchor"),
        ("a: &x 1", "anchor"),
        ("seed: " + "[" * 500 + "]" * 500, "nested"),
        ("seed: " + "{a: " * 500 + "1" + "}" * 500, "nested"),
        ("a: 1\na: 2", "second time"),
        ("a: {b: 1, b: 2}", "second time"),
        ("a: [1", "line 1"),
        ("a: 2020-99-99", "month"),
        ("? [1, 2]\n: 3", "unhashable"),
        ("x: " + "1" * MOST_BYTES, "characters"),
        ("a: \x00", "special characters"),
    ],
    ids=[
        "laughs",
        "merge",
        "anchor",
        "lists",
        "mappings",
        "twice",
        "twice-nested",
        "open",
        "date",
        "key",
        "size",
        "nul",
    ],
)
def test_what_is_refused(text, says):
    with pytest.raises(BadYaml) as caught:
        parse_yaml(text)
    assert says in str(caught.value)
    assert len(str(caught.value)) < 600


def test_plain_text_reads_as_yaml_has_it():
    assert parse_yaml("a: {b: 1, c: [x, null, true]}\nd: 1.5e-4\n") == {
        "a": {"b": 1, "c": ["x", None, True]},
        "d": 1.5e-4,
    }


def test_files_name_themselves(tmp_path):
    for name, content in (("latin.yaml", b"a: \xff"), ("big.yaml", b" " * (MOST_BYTES + 1)), ("bad.yaml", b"a: [")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadYaml, match=name):
            read_yaml(tmp_path / name)
