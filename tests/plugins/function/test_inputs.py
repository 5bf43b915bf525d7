"""Inputs and expectations of `sebsx run function`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sebsx.errors import UserError
from sebsx_function.inputs import expectation, inputs, missing

if TYPE_CHECKING:
    from collections.abc import Callable


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
    assert [item.name for item in inputs(str(tmp_path / "c\\,d.json"))] == ["c,d"]


@pytest.mark.parametrize(
    "words", ["{", "[1", "1.5", "null", '"x"', "-1", '{"a": 1}' + " " * 300 + "x", "[" + "1," * 9000]
)
def test_json_is_known_by_its_form_whatever_files_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    if len(words) < 10:
        (tmp_path / words).write_text("7")
        assert [item.payload for item in inputs(f"./{words}")] == [b"7"]
    try:
        assert inputs(words)[0].name == "given"
    except UserError as exc:
        assert "is not valid JSON" in str(exc)  # noqa: PT017  # either is right, a traceback is not


def test_a_thousand_files_are_a_thousand_inputs(tmp_path: Path) -> None:
    names = [tmp_path / f"{number}.json" for number in range(1000)]
    for name in names:
        name.write_text("{}")
    assert len(inputs(",".join(map(str, names)))) == 1000


@pytest.mark.parametrize("read", [inputs, expectation])
@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ("x" * 5000, "neither JSON nor a file that can be read: File name too long"),
        ("~nobody-of-this-name/x", "neither JSON nor a file"),
        ("[" * 100_000, "is nested too deeply"),
        ("NaN", "NaN is not a JSON number"),
        ("9" * 5000, "is not valid JSON"),
        ("a\x00b", "neither JSON nor a file"),
        ("/", "neither JSON nor a file"),
    ],
)
def test_whatever_is_given_is_one_short_line(read: Callable[[str], object], words: str, problem: str) -> None:
    with pytest.raises(UserError, match=problem) as caught:
        read(words)
    assert len(str(caught.value)) < 300


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.json").write_text("1")
    with pytest.raises(UserError, match="2 payload files are named 'x'"):
        inputs(f"{tmp_path}/a/x.json,{tmp_path}/b/x.json")


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
