"""The command of a report under "Reproduce", and that it does the same again."""

from __future__ import annotations

import json
import re
import shlex
from html import unescape
from typing import Any

import pytest

from sebsx import plugins
from sebsx.settings import Layer, Section, SettingsReader, public
from sebsx.texts import as_text
from tests.endpoints import Endpoint
from tests.support import BUILT_IN, Call, Cli, Said, Write

LISTS = ("--memory", "128,256", "-p", "duration_s=0.01", "--max-invocations", "500", "--campaign", "two words")
WAITER = "import time\ndef handler(event, context):\n    time.sleep(event['n'] / 1000)\n    return {}\n"
STEPS = """
[parameters.n]
type = "float"
default = 5
minimum = 1
maximum = 300
[sizes]
test = { n = 5 }
[steps]
parameter = "n"
first = 5
last = 100
count = 5
"""
# A run of each experiment, as short as may be.
RUNS: dict[str, tuple[str, ...]] = {
    "arm-prediction": (
        "--benchmarks", "FOLDER", "--steps", "2", "--runs", "1", "--run-times", "0.02s..0.05s", "--campaigns", "train",
    ),
    "calibrate": (
        "--benchmark", "FOLDER", "--low", "0.02", "--high", "0.1", "--repetitions", "3", "--tolerance", "0.9",
    ),
    "communication": ("--channels", "tcp", "--sizes", "1", "--rounds", "1"),
    "dnn-inference": ("--optimizer", "onnx", "--batch", "1", "--sandboxes", "1", "--calls", "1"),
    "eviction": ("--idle", "0.1", "--d-init", "1", "--repetitions", "1", "--max-time", "5m"),
    "function": ("--address", "URL", "--payload", '{"ms": 1}', "--expect", '{"more": [1, 2]}', "--repetitions", "6"),
    "hot-start": ("--sandboxes", "1", "--exchanges", "5", "--payload-bytes", "1", "--start", "hot"),
    "invocation-overhead": (
        "--sweeps", "payload", "--start", "warm", "--payload-bytes", "1024", "--repetitions", "6",
    ),
    "load": ("--benchmark", "sleep", "--rate", "20", "--requests", "10", "--max-in-flight", "7", *LISTS),
    "memory-sharing": ("--replicas", "1", "--models", "1MiB", "--strategies", "mapped", "--no-control"),
    "network": ("--sandboxes", "1", "--round-trips", "10", "--object-bytes", "1024"),
    "perf-cost": (
        "--benchmarks", "sleep", "--start", "warm", "--repetitions", "1", "--option", "vcpu=0.25,0.5", *LISTS,
    ),
    "serving-lab": (
        "--modes", "threads", "--work", "released", "--policies", "bare", "--loads", "users", "--inference", "1ms",
        "--duration", "0.4s", "--period", "0.2s", "--saturate", "0.1s",
    ),
    "selftest": ("--benchmark", "sleep", "--trials", "1", "--repetitions", "6", "--detect", "0"),
}  # fmt: skip
NOBODY = "http://127.0.0.1:9/told-after-ten-minutes"
FROM_A_REGISTRY = {"dnn-inference"}  # its functions have dependencies


def test_every_experiment_is_repeated_here() -> None:
    assert RUNS.keys() == plugins.load(BUILT_IN).experiments.keys()


@pytest.mark.slow
@pytest.mark.parametrize(
    "experiment",
    [pytest.param(name, marks=[pytest.mark.network] * (name in FROM_A_REGISTRY)) for name in sorted(RUNS)],
)
def test_printed_command_makes_the_same_design(
    sebsx: Cli, call: Call, write_function: Write, monkeypatch: pytest.MonkeyPatch, experiment: str
) -> None:
    monkeypatch.setattr("sebsx_calibrate.experiment.MOST_STARVED", 1.0)  # a busy machine is not what this is about
    monkeypatch.setenv("SEBSX_NOTIFY__WEBHOOK__URL", NOBODY)
    with Endpoint() as endpoint:
        url, folder = endpoint.url("/sleep"), write_function("waiter", WAITER, manifest=STEPS)
        words = [{"URL": url, "FOLDER": str(folder)}.get(word, word) for word in RUNS[experiment]]
        first = document(call("run", "experiment", experiment, *words, "--json"))
        assert call("report", "last", "-o", "page.html").code == 0
        page = (sebsx.home / "page.html").read_text(encoding="utf-8")
        again = printed(page)
        assert NOBODY not in page, "who is told of a run is of whoever makes it, and no part of it"
        for name in re.findall(r"SEBSX_\w+", page):
            monkeypatch.setenv(name, {"SEBSX_EXPERIMENT__FUNCTION__ADDRESS": url}[name])
        second = document(call(*again, "--json"))
    for key in ("experiment", "settings", "seed", "design", "campaign"):
        assert second["run"][key] == first["run"][key], key
    planned = 1 if experiment == "calibrate" else None  # its later cells follow from what the first ones took
    factors = [[cell["factors"] for cell in document["cells"]][:planned] for document in (first, second)]
    assert factors[0] == factors[1]
    assert second["run"]["id"] != first["run"]["id"]


def document(said: Said) -> Any:
    """Return the document of a run; a busy machine sends a load late, which makes its phase invalid."""
    assert said.code == 0 or "the generator was late" in said.error, said.stderr
    return json.loads(said.stdout)


def printed(page: str) -> list[str]:
    """Return the words of the command that a page prints, without the program's name."""
    short, whole = re.findall(r"<pre tabindex=.0.>(sebsx run .*?)</pre>", page, re.DOTALL)
    assert len(short) <= len(whole)
    return shlex.split(unescape(short))[1:]


@pytest.mark.parametrize("section", plugins.load(BUILT_IN).sections(), ids=lambda section: section.name)
def test_defaults_of_every_plugin_are_read_back_from_text(section: Section) -> None:
    settings = section.cls()
    words = {f"{section.name}.{key}": as_text(value) for key, value in public(settings).items()}
    assert SettingsReader([Layer("text", words)], [section]).read(section.name).value == settings


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (tuple[str, ...], ()),
        (tuple[str, ...], ("a,b", "c")),
        (tuple[str, ...], ("", " padded")),
        (tuple[str, ...], ('["x"]',)),
        (tuple[int, ...], (1, 2)),
        (dict[str, str], {}),
        (dict[str, str], {"a": "1,2", "b": "x=y"}),
        (dict[str, str], {"a": "{}"}),
        (dict[str, tuple[str, ...]], {"a": ("1", "2"), "b": ()}),
        (dict[str, tuple[str, ...]], {"a": ("x=1", "y,z")}),
        (int | None, None),
        (bool, True),
        (float, 1e-7),
    ],
)
def test_values_are_read_back_from_text(hint: Any, value: Any) -> None:
    from sebsx.texts import parse

    assert parse(as_text(value), hint) == value


@pytest.mark.parametrize("text", ['["a"', "[1, 2] 3"])
def test_text_that_begins_like_json_must_be_json(text: str) -> None:
    from sebsx.texts import parse

    with pytest.raises(ValueError, match="not valid JSON"):
        parse(text, tuple[str, ...])
