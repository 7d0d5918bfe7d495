import pytest

from supernet.harness.commands import progress


def test_without_a_terminal_long_work_says_where_it_is_every_half_minute(capsys, monkeypatch):
    now = [0.0]
    lines = progress.Lines("scoring", lambda: now[0])
    for second in range(0, 101):
        now[0] = float(second)
        lines.tell(second / 200, f"{second} of 200")
    told = capsys.readouterr().err.splitlines()
    assert told == [
        "scoring: 30 of 200, 30 s so far, 170 s left".replace("170 s", "3 min"),
        "scoring: 60 of 200, 60 s so far, 2 min left",
        "scoring: 90 of 200, 90 s so far, 2 min left",
    ]


def test_a_name_is_data_in_the_bar_too(monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    for name in ("b{x}", "[/b]", "a}"):
        with progress.bar(name) as tell:
            tell(1, 2)
            tell(2, None)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.2, "0 s"), (99, "99 s"), (120, "2 min"), (19_080, "5.3 h"), (98_158 * 60, "68 days")]
)
def test_durations_have_units_that_a_person_reads(seconds, text):
    assert progress.duration(seconds) == text
