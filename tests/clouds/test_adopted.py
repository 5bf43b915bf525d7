"""What is known of functions that the user has: languages by the names of runtimes, places, starts."""

from __future__ import annotations

import pytest

from sebsx.clouds.adopted import check_place, language_of
from sebsx.clouds.starts import KnownStarts
from sebsx.errors import UserError
from sebsx.model import Reply, StartType


@pytest.mark.parametrize(
    ("runtime", "known"),
    [
        ("python3.12", ("python", "3.12")),
        ("python312", ("python", "3.12")),
        ("nodejs22.x", ("nodejs", "22")),
        ("nodejs22", ("nodejs", "22")),
        ("node|22", ("nodejs", "22")),
        ("python:3.10", ("python", "3.10")),
        ("nodejs:default", ("nodejs", "default")),
        ("java21", ("java", "21")),
        ("provided.al2023", None),
        ("", None),
    ],
)
def test_language_of_a_runtime(runtime: str, known: tuple[str, str] | None) -> None:
    assert tuple(language_of(runtime).values()) == (known or ())


def test_function_elsewhere_is_refused_with_the_setting_that_leads_there() -> None:
    check_place("function 'f'", "region", "", "here")
    check_place("function 'f'", "region", "here", "here")
    with pytest.raises(UserError, match="function 'f' is in region there, not here; use --set region=there"):
        check_place("function 'f'", "region", "there", "here")


def reply(sent_s: float, done_s: float) -> Reply:
    return Reply(
        request_id="r", intended_s=sent_s, sent_s=sent_s, connected_s=sent_s, first_byte_s=done_s, done_s=done_s,
        http_status=200, headers={}, body=b"", bytes_out=0,
    )  # fmt: skip


def test_start_is_told_where_a_sandbox_was_surely_free() -> None:
    starts = KnownStarts()
    assert starts.of("f", reply(0, 2)) is None
    assert starts.of("f", reply(3, 5)) is StartType.WARM
    assert starts.of("f", reply(4, 6)) is None  # another was still under way
    starts.ended("f")
    assert [starts.of("f", reply(7, 8)), starts.of("f", reply(9, 10))] == [StartType.COLD, StartType.WARM]


def test_sandbox_that_serves_all_calls_is_free_from_its_first_answer_on() -> None:
    starts = KnownStarts(serves_all=True)
    starts.ended("f", all_of_them=False)
    assert starts.of("f", reply(0, 2)) is None
    assert starts.of("f", reply(1, 3)) is None
    assert [starts.of("f", reply(2, 9)), starts.of("f", reply(4, 5))] == [StartType.WARM, StartType.WARM]
