from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.runtime.conftest import PYTHONS, invoke, invoke_all

if TYPE_CHECKING:
    from pathlib import Path

ECHO = "def handler(event, context):\n    return event\n"


@pytest.mark.parametrize("python", PYTHONS)
def test_envelope_has_identity_times_and_output(tmp_path: Path, python: str) -> None:
    before = time.time()
    (first, error_type), (second, _) = invoke_all(tmp_path, ECHO, [{"a": [1, 2.5, None, "ü"]}, 2], python)

    sebsx = first["sebsx"]
    assert error_type is None
    assert first["output"] == {"a": [1, 2.5, None, "ü"]}
    assert (sebsx["v"], sebsx["call"], second["sebsx"]["call"]) == (1, 1, 2)
    assert len(bytes.fromhex(sebsx["sandbox"])) == 16
    assert before <= sebsx["started_s"] <= sebsx["finished_s"] <= time.time()
    assert sebsx["duration_s"] >= 0
    assert sebsx["import_s"] > 0
    assert 0 <= sebsx["boot_s"] < 60
    assert sebsx["facts"]["machine"]
    assert second["output"] == 2
    assert not {"boot_s", "import_s", "facts"} & set(second["sebsx"])


OWN = {"function.cpu_s", "function.runqueue_s"}


def others(envelope: dict[str, Any]) -> dict[str, Any]:
    """Return the samples of an envelope without those that the shim itself takes wherever the kernel has them."""
    return {name: value for name, value in envelope["sebsx"]["samples"].items() if name not in OWN}


SET_CLOCK = """
import time
true = time.time
def handler(event, context):
    if event:
        time.time = lambda: true() + event
"""


@pytest.mark.parametrize("python", PYTHONS)
def test_step_of_the_wall_clock_is_told_once(tmp_path: Path, python: str) -> None:
    answers = invoke_all(tmp_path, SET_CLOCK, [0, 3600.0, 0, 0], python)
    steps = [envelope["sebsx"].get("clock_step_s") for envelope, _ in answers]
    assert steps == [None, pytest.approx(3600.0, abs=0.01), None, None]


def test_sandbox_takes_the_identity_it_is_given(tmp_path: Path) -> None:
    envelope, _ = invoke(tmp_path, ECHO, environment={"SEBSX_SANDBOX_ID": "ab" * 16})

    assert envelope["sebsx"]["sandbox"] == "ab" * 16


def test_boot_time_counts_from_the_given_start(tmp_path: Path) -> None:
    started = time.clock_gettime(time.CLOCK_MONOTONIC) - 5
    envelope, _ = invoke(tmp_path, ECHO, environment={"SEBSX_STARTED_S": repr(started)})

    assert 5 <= envelope["sebsx"]["boot_s"] < 60


def test_context_has_what_the_environment_says(tmp_path: Path) -> None:
    code = "def handler(event, c):\n    return [c.request_id, c.memory_mib, c.timeout_s, c.remaining_s()]\n"
    said, _ = invoke(tmp_path / "a", code, environment={"SEBSX_MEMORY_MIB": "256", "SEBSX_TIMEOUT_S": "2.5"})
    unsaid, _ = invoke(tmp_path / "b", code)

    assert said["output"] == ["id-0", 256, 2.5, None]
    assert unsaid["output"] == ["id-0", None, None, None]


def test_phases_of_one_name_add_up(tmp_path: Path) -> None:
    envelope, _ = invoke(
        tmp_path,
        """
        import time
        def handler(event, context):
            for _ in range(3):
                with context.phase("work"):
                    time.sleep(0.02)
            try:
                with context.phase("failed"):
                    raise KeyError
            except KeyError:
                pass
        """,
    )

    samples = others(envelope)
    assert set(samples) == {"phase.work_s", "phase.failed_s"}
    assert 0.06 <= samples["phase.work_s"] <= envelope["sebsx"]["duration_s"]


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize(
    ("expression", "error_type"),
    [
        ("float('nan')", "Sebsx.OutputNotJson"),
        ("[float('inf')]", "Sebsx.OutputNotJson"),
        ("{1, 2}", "Sebsx.OutputNotJson"),
        ("b'bytes'", "Sebsx.OutputNotJson"),
        ("loop()", "Sebsx.OutputNotJson"),
        ("deep()", "Sebsx.OutputNotJson"),
        ("1 / 0", "ZeroDivisionError"),
        ("sys.exit(3)", "SystemExit"),
        ("throw(KeyboardInterrupt())", "KeyboardInterrupt"),
        ("throw(MemoryError())", "MemoryError"),
        ("throw(BaseException('own'))", "BaseException"),
        ("throw(Rude())", "Rude"),
        ("recurse()", "RecursionError"),
    ],
)
def test_whatever_goes_wrong_comes_back_as_data(tmp_path: Path, python: str, expression: str, error_type: str) -> None:
    (failed, name), (after, _) = invoke_all(
        tmp_path,
        f"""
        import sys
        class Rude(Exception):
            def __str__(self): raise ValueError
        def throw(error): raise error
        def recurse(): return recurse()
        def loop():
            items = []
            items.append(items)
            return items
        def deep():
            items = []
            for _ in range(200_000): items = [items]
            return items
        def handler(event, context):
            return ({expression}) if event == "fail" else "fine"
        """,
        ["fail", "go on"],
        python,
    )

    assert (name, failed["error"]["type"]) == (error_type, error_type)
    assert "output" not in failed
    assert len(failed["error"]["traceback"]) < 20_000
    assert after["output"] == "fine"


@pytest.mark.slow
def test_traceback_shows_the_user_s_frames_only(tmp_path: Path) -> None:
    envelope, _ = invoke(tmp_path, "def inner(): raise ValueError('x' * 10_000)\ndef handler(e, c): inner()\n")

    traceback = envelope["error"]["traceback"]
    assert 'File "function.py", line 1, in inner' in traceback
    assert 'File "function.py", line 2, in handler' in traceback
    assert "sebsx_runtime" not in traceback
    assert len(envelope["error"]["message"]) == 4096


@pytest.mark.parametrize(
    ("code", "error_type", "words"),
    [
        ("import nothing_like_it\n", "ModuleNotFoundError", "nothing_like_it"),
        ("def handler(:\n", "SyntaxError", "function.py"),
        ("def other(e, c): pass\n", "Sebsx.HandlerNotFound", "has no function 'handler'"),
        ("handler = 3\n", "Sebsx.HandlerNotFound", "has no function 'handler'"),
        ("raise SystemExit(2)\n", "SystemExit", "2"),
    ],
)
def test_function_that_cannot_be_loaded_says_why(tmp_path: Path, code: str, error_type: str, words: str) -> None:
    envelope, name = invoke(tmp_path, code)

    assert name == envelope["error"]["type"] == error_type
    assert words in envelope["error"]["message"] + envelope["error"]["traceback"]
    assert envelope["sebsx"]["call"] == 0


def test_collectors_run_around_the_handler(tmp_path: Path) -> None:
    collector = b"""
def begin(call): return 20
def end(state, call): return {"one.value_count": state + 1}
def facts(): return {"one": "fact"}
"""
    (first, _), (second, _) = invoke_all(tmp_path, ECHO, [1, 2], collectors={"one": collector})

    assert others(first) == others(second) == {"one.value_count": 21}
    assert first["sebsx"]["facts"]["one"] == "fact"
    assert "collectors_absent" not in first["sebsx"]["facts"]


@pytest.mark.parametrize(
    "source",
    [
        b"import no_such_thing",
        b"def begin(call): return 1",
        b"def begin(call): raise OSError('refused')\ndef end(state, call): return {}",
        b"def begin(call): return 1\ndef end(state, call): return state / 0",
        b"def begin(call): return 1\ndef end(state, call): return {}\ndef facts(): raise OSError",
    ],
)
def test_collector_that_fails_is_absent_with_its_reason_and_harms_nobody(tmp_path: Path, source: bytes) -> None:
    good = b"def begin(call): return 1\ndef end(state, call): return {'good.value_count': 1}"
    envelope, _ = invoke(tmp_path, ECHO, 7, collectors={"bad": source, "good": good})

    assert envelope["output"] == 7
    assert others(envelope) == {"good.value_count": 1}
    assert list(envelope["sebsx"]["facts"]["collectors_absent"]) == ["bad"]
    assert "Error" in envelope["sebsx"]["facts"]["collectors_absent"]["bad"]


def test_sample_that_json_cannot_say_is_left_out(tmp_path: Path) -> None:
    odd = b"def begin(call): return 1\ndef end(state, call): return {'a_s': float('nan'), 'b_s': 2, 'c_s': {1}}"
    envelope, _ = invoke(tmp_path, ECHO, collectors={"odd": odd})

    assert others(envelope) == {"b_s": 2}


def test_platform_without_storage_says_so(tmp_path: Path) -> None:
    envelope, name = invoke(tmp_path, "def handler(e, context): context.storage\n")

    assert name == "RuntimeError"
    assert "context.storage is not available" in envelope["error"]["message"]


@pytest.mark.slow
def test_wrapper_is_not_imported_before_it_is_used(tmp_path: Path) -> None:
    broken = b"raise OSError('unreachable')"
    unused, _ = invoke(tmp_path / "a", ECHO, 1, sebsx_wrapper__py=broken)
    used, name = invoke(tmp_path / "b", "def handler(e, context): context.table\n", sebsx_wrapper__py=broken)

    assert unused["output"] == 1
    assert (name, used["error"]["message"]) == ("OSError", "unreachable")


AWS_NAMES = """
    def handler(event, c):
        left_ms = c.get_remaining_time_in_millis()
        return [c.aws_request_id, c.function_name, c.function_version, c.memory_limit_in_mb, c.invoked_function_arn,
                c.log_group_name, c.log_stream_name, c.client_context, c.identity, left_ms, hasattr(c, "unheard_of")]
"""


@pytest.mark.parametrize("python", PYTHONS)
def test_context_has_the_names_of_awss_own(tmp_path: Path, python: str) -> None:
    environment = {
        "AWS_LAMBDA_FUNCTION_NAME": "f", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256", "SEBSX_FUNCTION_ARN": "arn:f", "AWS_LAMBDA_LOG_GROUP_NAME": "g",
    }  # fmt: skip
    said, _ = invoke(tmp_path, AWS_NAMES, python=python, environment=environment)

    assert said["output"] == ["id-0", "f", "$LATEST", "256", "arn:f", "g", None, None, None, None, False]
