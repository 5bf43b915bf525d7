from __future__ import annotations

import ast
import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sebsx.system.outside import for_spreadsheets, quoted_url, visible, without_secrets

TURNING = "\u061c\u200e\u200f\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
CONTROLS = "".join(map(chr, (*range(9), *range(0x0B, 0x20), *range(0x7F, 0xA0))))


@pytest.mark.parametrize("mark", TURNING + CONTROLS + "\ud800\udfff", ids=ascii)
def test_what_steers_a_terminal_stands_as_an_escape(mark: str) -> None:
    shown = visible(f"a{mark}b")
    assert ast.literal_eval(f"'{shown}'") == f"a{mark}b"
    assert shown.encode()
    assert mark not in shown


@pytest.mark.slow
@given(st.text(st.characters(exclude_categories=("Cc", "Cs", "Cf", "Zl", "Zp"))))
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


@pytest.mark.slow
@given(st.text())
def test_nothing_steers_after_cleaning_and_cleaning_twice_is_harmless(text: str) -> None:
    shown = visible(text)
    assert not set(shown) & set(TURNING + CONTROLS)
    assert visible(shown) == shown


@pytest.mark.parametrize("word", ["=1+1", "+cmd", "-cmd", "@SUM(A1)", "\t=1", "\r=1"])
def test_formula_becomes_a_word(word: str) -> None:
    assert for_spreadsheets(word) == f"'{word}"


@pytest.mark.parametrize("word", ["-1.5", "+3e-4", "a=1", "", "'", "256"])
def test_numbers_and_words_stay(word: str) -> None:
    assert for_spreadsheets(word) == word
    assert next(csv.reader(io.StringIO(f"{word},x")))[1] == "x"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://me:pass@host:8443/path?code=key#part", "https://host:8443/path"),
        ("http://u@[::1]:80/", "http://[::1]:80/"),
        ("postgresql://me:pass@db/x?sslkey=1", "postgresql://db/x"),
        ("http://[::1", "a URL that cannot be read"),
    ],
)
def test_url_is_quoted_without_what_may_be_secret(url: str, shown: str) -> None:
    assert quoted_url(url) == shown
    assert without_secrets(f"could not connect to {url}: refused") == f"could not connect to {shown}: refused"
