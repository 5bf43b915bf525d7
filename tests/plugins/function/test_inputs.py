"""Inputs and expectations of `sebsx run function`."""

from __future__ import annotations

from pathlib import Path

import pytest

from sebsx.errors import UserError
from sebsx_function.inputs import expectation, inputs, missing


def test_no_payload_is_one_empty_input() -> None:
    assert [(item.name, item.payload) for item in inputs("")] == [("", b"")]


def test_json_on_the_command_line_is_one_input_whatever_commas_it_has() -> None:
    assert [(item.name, item.payload) for item in inputs('{"a": 1, "b": [2, 3]}')] == [
        ("given", b'{"a": 1, "b": [2, 3]}')
    ]


def test_files_are_inputs_named_by_their_stems_and_told_apart_by_content(tmp_path: Path) -> None:
    for name, text in {"a.json": "1", "b.json": "[]", "c,d.json": "{}"}.items():
        (tmp_path / name).write_text(text)
    found = inputs(f"{tmp_path / 'a.json'}, {tmp_path / 'b.json'}")
    assert [(item.name, item.payload) for item in found] == [("a", b"1"), ("b", b"[]")]
    assert len({item.sha256 for item in found}) == 2
    assert [item.name for item in inputs(str(tmp_path / "c,d.json"))] == ["c,d"]


def test_expectation_comes_from_json_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "e.json").write_text('{"a": null}')
    assert expectation("") is ...
    assert expectation("null") is None
    assert expectation(str(tmp_path / "e.json")) == {"a": None}
    with pytest.raises(UserError, match="expect 'x' is neither JSON nor a file"):
        expectation("x")


@pytest.mark.parametrize(
    ("expected", "answer", "problem"),
    [
        (..., "anything", None),
        ({"a": 1}, {"a": 1, "b": 2}, None),
        ({"a": {"b": [1, {"c": 2}]}}, {"a": {"b": [1, {"c": 2, "d": 3}]}}, None),
        (1, 1.0, None),
        (None, None, None),
        ({"a": 1}, {}, "answer has no 'a'"),
        ({"a": 1}, [], "answer is [], an object is expected"),
        ({"a": {"b": 1}}, {"a": {"b": 2}}, "answer.a.b is 2, 1 is expected"),
        ([1, 2], [1], "answer is [1], a list of 2 is expected"),
        ([1, 2], [1, 3], "answer[1] is 3, 2 is expected"),
        (1, True, "answer is true, 1 is expected"),
        ("a", None, 'answer is null, "a" is expected'),
        ("a", "b" * 100, f'answer is "{"b" * 56}..., "a" is expected'),
    ],
)
def test_answer_may_hold_more_than_is_expected_and_not_less(
    expected: object, answer: object, problem: str | None
) -> None:
    assert missing(expected, answer) == problem
