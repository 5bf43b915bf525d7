"""What a manifest promises of every call's answer, and what is said of one that does not hold it."""

from __future__ import annotations

from typing import Any

import pytest

from sebsx.model.meaning import PLAIN, Meaning

MEANING = Meaning(subject=("write", "read"), facts=("how",))
SAMPLES = {"phase.prepare_s": 5.0, "phase.write_s": 1.0, "phase.read_s": 2.0, "function.cpu_s": 9.0}


def test_named_work_is_the_sum_of_its_phases() -> None:
    assert MEANING.fault(SAMPLES, {"how": "direct"}) is None
    assert MEANING.subject_s(SAMPLES) == 3.0
    assert MEANING.told({"how": "direct", "total": 7}) == '{"how": "direct"}'


def test_phase_that_was_not_marked_is_named_with_the_nearest() -> None:
    fault = Meaning(subject=("raed",)).fault(SAMPLES, {})
    assert fault == (
        "phase 'raed', which the manifest names under 'subject', is missing; did you mean 'read'? "
        "(it has prepare, write, read)"
    )


@pytest.mark.parametrize("output", [{}, [], None, "direct", {"how": None}, {"how": ["direct"]}, {"how": "x" * 101}])
def test_fact_must_be_a_word_or_a_number(output: Any) -> None:
    assert "field 'how', which the manifest names under 'facts', is" in (MEANING.fault(SAMPLES, output) or "")


def test_function_without_a_manifest_promises_nothing() -> None:
    assert PLAIN.fault({}, None) is None
    assert PLAIN.told({}) == ""
