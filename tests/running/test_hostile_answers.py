"""No answer ends a run: what is wrong makes its invocation wrong, and what comes after it is measured."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sebsx.model import Deployment, Kind, RunStatus, Status, untrusted
from sebsx.model.envelope import read_answer, read_envelope
from sebsx.model.untrusted import ANSWER_BYTES, UntrustedJsonError, parse_json
from sebsx.running import orchestrator
from sebsx.testing.fakes import FakePlatform
from sebsx.testing.registries import registry_with
from tests.orchestration import Listener, run_spec, store_in

WRONG = {
    "nested lists": b"[" * 200_000,
    "nested objects": b'{"a":' * 1000 + b"1" + b"}" * 1000,
    "nested output": b'{"sebsx":{"sandbox":"x","call":2},"output":' + b"[" * 900 + b"]" * 900 + b"}",
    "samples are a number": b'{"sebsx":{"samples":5}}',
    "samples are a list": b'{"sebsx":{"samples":[[1,2]]}}',
    "sample is text": b'{"sebsx":{"samples":{"phase.x_s":"5"}}}',
    "sample is a list": b'{"sebsx":{"samples":{"phase.x_s":[1]}}}',
    "sample is infinite": b'{"sebsx":{"samples":{"phase.x_s":Infinity}}}',
    "sample is huge": b'{"sebsx":{"samples":{"phase.x_s":' + b"9" * 4000 + b"}}}",
    "sample nobody registered": b'{"sebsx":{"samples":{"gpu.load":1}}}',
    "series nobody registered": b'{"sebsx":{"samples":{"gpu.series":{"a":1}}}}',
    "name of a family": b'{"sebsx":{"samples":{"phase.*_s":1}}}',
    "name with a surrogate": b'{"sebsx":{"samples":{"phase.\\ud800_s":1}}}',
    "name with an escape": b'{"sebsx":{"samples":{"phase.\\u001b[2J_s":1}}}',
    "long name": b'{"sebsx":{"samples":{"phase.' + b"x" * 5000 + b'_s":1}}}',
    "many samples": json.dumps({"sebsx": {"samples": {f"phase.{n}_s": 1 for n in range(5000)}}}).encode(),
    "sandbox is an object": b'{"sebsx":{"sandbox":{"a":1}}}',
    "sandbox is a surrogate": b'{"sebsx":{"sandbox":"\\ud800"},"output":{}}',
    "sandbox is long": b'{"sebsx":{"sandbox":"' + b"x" * 100_000 + b'"},"output":{}}',
    "call is text": b'{"sebsx":{"call":"1"}}',
    "call is negative": b'{"sebsx":{"call":-1}}',
    "call is true": b'{"sebsx":{"call":true}}',
    "duration is negative": b'{"sebsx":{"duration_s":-5},"output":{}}',
    "duration is infinite": b'{"sebsx":{"duration_s":Infinity},"output":{}}',
    "duration is no number": b'{"sebsx":{"duration_s":NaN},"output":{}}',
    "duration is absurd": b'{"sebsx":{"duration_s":1e15},"output":{}}',
    "duration is an integer of 400 digits": b'{"sebsx":{"duration_s":' + b"9" * 400 + b'},"output":{}}',
    "boot is text": b'{"sebsx":{"boot_s":"0"},"output":{}}',
    "begin is a list": b'{"sebsx":{"started_s":[1]},"output":{}}',
    "facts are a list": b'{"sebsx":{"facts":[1]},"output":{}}',
    "integer of 5,000 digits": b"9" * 5000,
    "not UTF-8": b'{"sebsx":{"sandbox":"\xff"}}',
    "error of odd types": b'{"sebsx":{"call":1},"error":{"type":{"a":1},"message":[2],"traceback":[3]}}',
    "error with surrogates": b'{"sebsx":{"call":1},"error":{"type":"\\ud800","message":"\\udfff\\u0000"}}',
}


class Answering(FakePlatform):
    """Its third answer is a wrong one, and then every second, until there are no more."""

    def _run(self, deployment: Deployment, request_id: str, payload: bytes) -> tuple[int, bytes]:
        status, usual = super()._run(deployment, request_id, payload)
        turn, between = divmod(self.invocations - 3, 2)
        wrong = not between and 0 <= turn < len(WRONG)
        return status, list(WRONG.values())[turn] if wrong else usual


def test_answer_that_is_wrong_is_a_wrong_invocation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    many = len(WRONG)
    with store_in(tmp_path) as store:
        wanted = run_spec(repetitions=many, max_failures=many)
        run = orchestrator.run(wanted, registry_with(Answering), store, Listener())
        items = list(store.view(run.id).invocations())
    assert run.status is RunStatus.FINISHED
    wrong = sorted((item for item in items if item.status is not Status.OK), key=lambda item: item.sequence)
    for name, item in zip(WRONG, wrong, strict=True):
        assert item.status in (Status.WRONG_OUTPUT, Status.FUNCTION_ERROR), name
        assert item.error, name
        assert len(item.error) < 1000, name
        assert item.error.isprintable() or "\n" in item.error, name
        assert (item.function_duration_s, dict(item.samples)) == (None, {}), name
    assert sum(item.status is Status.OK and item.kind is Kind.MEASURED for item in items) == many


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
FIELDS = (
    "sandbox", "call", "samples", "facts", "duration_s", "started_s", "finished_s", "boot_s", "import_s", "age_s",
    "concurrent", "initialization", "init_gap_s",
)  # fmt: skip
ENVELOPES = st.fixed_dictionaries(
    {"sebsx": st.dictionaries(st.sampled_from(FIELDS), JSON)}, optional={"output": JSON, "error": JSON}
)


@pytest.mark.slow
@pytest.mark.parametrize("read", [read_envelope, read_answer])
@given(document=ENVELOPES | JSON, escaped=st.booleans())
@settings(deadline=None)
def test_every_field_of_an_envelope_is_typed(read: Callable[[bytes], Any], document: Any, escaped: bool) -> None:
    envelope = read(json.dumps(document, ensure_ascii=escaped).encode("utf-8", "surrogatepass"))
    for value in (envelope.duration_s, envelope.age_s, envelope.started_s, envelope.finished_s):
        assert value is None or (type(value) in (int, float) and 0 <= value < 1e12)
    assert envelope.sandbox_id is None or envelope.sandbox_id.encode()
    assert envelope.call is None or envelope.call >= 0
    assert envelope.error is None or envelope.error.encode() is not None
    assert all(type(value) in (int, float) and abs(value) <= 1e300 for value in envelope.samples.values())


def test_json_is_bounded_in_size_and_depth() -> None:
    assert parse_json("[" * 100 + "]" * 100)
    assert parse_json('{"a": "' + "[" * 1000 + '"}') == {"a": "[" * 1000}
    for text in ("[" * 101 + "]" * 101, "[" * 200_000):
        with pytest.raises(UntrustedJsonError, match="nested more than 100 deep"):
            parse_json(text)
    with pytest.raises(UntrustedJsonError, match="are more than the 5"):
        parse_json("123456", 5)


@pytest.mark.parametrize("installed", [True, False])
def test_json_is_what_python_takes_it_for(monkeypatch: pytest.MonkeyPatch, *, installed: bool) -> None:
    if not installed:
        monkeypatch.setitem(sys.modules, "msgspec", None)
        monkeypatch.setattr("sebsx.model.untrusted._decoder", untrusted._decoder.__wrapped__)
    texts = [
        "18446744073709551616", "-123456789012345678901234567890", "NaN", '"\\ud800"', "-0", "-0.0",
        '{"a": 1, "a": {"b": 0.1}}', "[1e400, -Infinity]", " [1.0, 5e-324, 1E5, 9.007199254740993e15] ",
        '"a\\u0000b\\ud83d\\ude00 \u00e9"', "[1,]", "\ufeff{}", "01", "1.", '"\x01"', "", "[1] x", "nul", "{'a': 1}",
        '{"a" 1}', "\ud800", "1_0", "+1",
    ]  # fmt: skip
    for text in texts:
        forms: list[Any] = [text, *([text.encode()] if text != "\ud800" else [])]
        for form in forms:
            try:
                expected = repr(json.loads(text))
            except ValueError:
                with pytest.raises(UntrustedJsonError):
                    parse_json(form)
            else:
                assert repr(parse_json(form)) == expected, text


def test_answer_beyond_the_bound_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sebsx.model.untrusted._decoder", lambda: pytest.fail("it was parsed"))
    assert "are more than" in (read_envelope(b"[" * (ANSWER_BYTES + 1)).error or "")
