from __future__ import annotations

from pathlib import Path

import pytest

from sebsx.errors import UserError
from sebsx.sending.trace import read_trace


def trace(folder: Path, text: str, speed: float = 1.0) -> list[float]:
    path = folder / "trace.csv"
    path.write_text(text, encoding="utf-8")
    return list(read_trace(path, speed).times_s)


@pytest.mark.parametrize(
    "text",
    [
        "0\n0.5\n0.5\n2\n",
        "arrival_s\n0\n0.5\n0.5\n2\n",
        "\ufeffseconds,function\n10,a\n10.5,b\n\n10.5,c\n12,d\n",
        "2026-01-01T00:00:00Z\n2026-01-01T00:00:00.5+00:00\n2026-01-01 00:00:00.5\n2026-01-01T01:00:02+01:00\n",
    ],
)
def test_times_are_counted_from_the_first(tmp_path: Path, text: str) -> None:
    assert trace(tmp_path, text) == pytest.approx([0, 0.5, 0.5, 2])


def test_speed_divides_the_times(tmp_path: Path) -> None:
    assert trace(tmp_path, "0\n1\n4\n", speed=2) == [0, 0.5, 2]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no arrival times"),
        ("arrival_s\n", "holds no arrival times"),
        ("0\n2\n1\n", "line 3: the time is earlier than the one before"),
        ("0\n-1\n", "line 2: the time is '-1'"),
        ("0\nnan\n", "line 2: the time is 'nan'"),
        ("0\ninf\n", "line 2: the time is 'inf'"),
        ("time\nhello\n", "line 2: the time is 'hello', neither seconds nor"),
        ("0\n2026-01-01\n", "line 2: the time mixes"),
        ("0\n,x\n", "line 2: the time is missing"),
    ],
)
def test_what_cannot_be_replayed_is_refused_by_line(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UserError, match=r"^trace '.*trace.csv'") as raised:
        trace(tmp_path, text)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00\x01", b"\x00" * 64, b"PK\x03\x04\n\xff"])
def test_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "foreign"
    path.write_bytes(content)
    with pytest.raises(UserError, match="trace"):
        read_trace(path)


def test_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        read_trace(tmp_path / "none.csv")
