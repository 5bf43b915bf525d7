"""The functions of the ARM study: labels, steps, and checks against values worked out by hand or by standards."""

from __future__ import annotations

import hashlib
import json
import math
import os
import random
import runpy
import statistics
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import sebsx_benchmarks
from sebsx.contracts import benchmarks

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import FolderStorage


ROOT = Path(sebsx_benchmarks.__file__).parent
STUDY = {
    ("train", "cpu-user"): ["cpu/chacha20", "cpu/primenumber"],
    ("unseen", "cpu-user"): ["cpu/chameleon", "cpu/csv", "cpu/float", "cpu/json-dumps"],
    ("unseen", "cpu-kernel"): ["kernel/sqlite"],
    ("train", "cpu-kernel"): ["kernel/filehandle", "kernel/socket", "kernel/thread"],
    ("train", "memory"): ["memory/readmemory", "memory/readwritememory"],
    ("train", "io"): ["io/readdisk"],
    ("unseen", "io"): ["io/gzip"],
}
ALL = {path.partition("/")[2]: benchmarks.load(ROOT / path) for paths in STUDY.values() for path in paths}
NEED_WHEELS = {"chacha20", "chameleon", "readmemory"}
# A ladder has about a hundredth of the work: (other parameters, divisor of the step's value), a hundred if not here.
LADDERS: dict[str, tuple[dict[str, int], float]] = {
    "readmemory": ({"block_mib": 64}, 6),
    "readdisk": ({"file_mib": 8}, 50),
    "gzip": ({"file_mib": 1}, 1.6),
    "primenumber": ({}, 100 ** (1 / 1.45)),
}


def marked(name: str) -> Any:
    return pytest.param(name, marks=[pytest.mark.network] if name in NEED_WHEELS else [])


def check(name: str, payload: dict[str, Any], output: dict[str, Any]) -> str | None:
    return ALL[name].check(payload, output, None)


def make_payload(name: str, size: str = "test", **overrides: Any) -> dict[str, Any]:
    return ALL[name].payload(ALL[name].resolve(size, overrides), random.Random(1), None)


def function(name: str) -> dict[str, Any]:
    return runpy.run_path(str(ALL[name].code("python").folder / "function.py"))


@pytest.mark.parametrize(
    ("path", "role", "group"), [(path, *labels) for labels, paths in STUDY.items() for path in paths]
)
def test_study_function_bears_role_and_group_of_the_study(path: str, role: str, group: str) -> None:
    labels = {label for label in benchmarks.load(ROOT / path).groups if "arm" in label}

    assert labels == {"suite:arm-study", f"arm-study:{role}", f"arm-study:{group}"}


def test_gzip_is_a_classic_too() -> None:
    assert "suite:classics" in ALL["gzip"].groups


@pytest.mark.parametrize("name", ALL)
def test_forty_steps_grow_forty_times_in_work_and_stay_in_range(name: str) -> None:
    steps = ALL[name].steps
    assert steps is not None
    parameter = ALL[name].parameters[steps.parameter]

    values = [ALL[name].resolve(str(step), {})[steps.parameter] for step in range(1, 41)]

    assert steps.count == 40
    assert values == sorted(set(values))
    assert all(value == parameter.parse(value, name) for value in values)
    assert (values[-1] / values[0]) ** steps.growth == pytest.approx(40, rel=0.05)


@pytest.mark.parametrize("name", ALL)
def test_event_of_the_last_step_is_small(name: str) -> None:
    # The smallest limit on an event of the platforms we know is 1 MiB; the payload must not grow with the step.
    assert len(str(make_payload(name, "40"))) < 100_000


@pytest.mark.soak
@pytest.mark.parametrize("name", [marked(name) for name in ALL])
def test_cpu_time_is_linear_in_the_step(
    name: str, storage: FolderStorage, invoke: Callable[..., dict[str, Any]]
) -> None:
    """Six steps of a small ladder, the least CPU time of up to eight calls each: other load only ever adds to it."""
    benchmark = ALL[name]
    overrides, divisor = LADDERS.get(name, ({}, 100))
    assert benchmark.steps is not None
    steps = [1, 8, 16, 24, 32, 40]
    seconds = [math.inf] * len(steps)
    for _ in range(8):
        for position, step in enumerate(steps):
            value = max(1, round(benchmark.steps.value(step) / divisor))
            payload = make_payload(name, **overrides, **{benchmark.steps.parameter: value})
            report = invoke(benchmark, payload)
            assert benchmark.check(payload, report["output"], storage) is None
            seconds[position] = min(seconds[position], report["cpu_s"])
        r_squared = statistics.correlation(steps, seconds) ** 2
        if r_squared >= 0.97 and seconds == sorted(seconds):
            break
    assert seconds == sorted(seconds), seconds
    assert r_squared >= 0.97, seconds


@pytest.mark.parametrize("name", [marked(name) for name in ALL])
def test_smallest_input_is_computed_right(
    name: str, storage: FolderStorage, invoke: Callable[..., dict[str, Any]]
) -> None:
    smallest = {parameter.name: parameter.minimum for parameter in ALL[name].parameters.values()}
    payload = make_payload(name, **smallest)

    assert check(name, payload, invoke(ALL[name], payload)["output"]) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "odd"),
    [
        pytest.param("chacha20", {"rounds": 3, "buffer_bytes": 1000}, marks=pytest.mark.network),
        pytest.param("chameleon", {"pages": 1001, "rows": 3, "columns": 2}, marks=pytest.mark.network),
        ("csv", {"rows": 9972}),
        ("csv", {"rows": 9973}),
        ("csv", {"rows": 2 * 9973 + 1}),
        ("json-dumps", {"rounds": 11, "records": 7}),
        ("sqlite", {"selects": 4096 + 5, "rows": 3}),
        ("filehandle", {"handles": 64}),
        ("filehandle", {"handles": 64 * 8 + 1}),
        ("socket", {"sockets": 33}),
        ("thread", {"threads": 17}),
        ("readdisk", {"reads": 33, "file_mib": 1, "block_kib": 7}),
        ("gzip", {"files": 3, "file_mib": 2, "level": 9}),
    ],
)
def test_odd_sizes_are_computed_right(
    name: str, odd: dict[str, int], storage: FolderStorage, invoke: Callable[..., dict[str, Any]]
) -> None:
    payload = make_payload(name, **odd)

    assert check(name, payload, invoke(ALL[name], payload)["output"]) is None


# --- chacha20


def test_key_stream_is_that_of_rfc_8439() -> None:
    # RFC 8439, section 2.3.2: key 00 01 ... 1f, block counter 1.
    stream = ALL["chacha20"].driver.module._key_stream(bytes(range(32)), 1, bytes.fromhex("000000090000004a00000000"))

    assert stream.hex() == (
        "10f1e7e4d13b5915500fdd1fa32071c4c7d1f4c733c068030422aa9ac3d46c4e"
        "d2826446079faa0914c2d705d98b02a2b5129cd1de164eb9cbd083e8a2503c4e"
    )


def test_last_round_of_chacha20_is_always_looked_at() -> None:
    for rounds in (1, 2, 5000):
        assert make_payload("chacha20", rounds=rounds)["samples"][-1][0] == rounds - 1


# --- primenumber


def test_primes_are_counted_without_two() -> None:
    # https://oeis.org/A006880: 168 primes below 1,000. Below 12 there are 3, 5, 7 and 11:
    # ((3 * 31 + 5) * 31 + 7) * 31 + 11 = 94406.
    primes = ALL["primenumber"].driver.module._odd_primes

    assert len(list(primes(1000))) == 167
    assert check("primenumber", {"limit": 12, "modulus": 2**32 - 1}, {"primes": 4, "checksum": 94406}) is None


# --- float


@pytest.mark.parametrize(("first", "last"), [(1000, 1000), (1999, 2000), (1234, 54321)])
def test_closed_forms_are_the_sums(first: int, last: int) -> None:
    numbers = range(first, last + 1)
    output = {
        "sines": math.fsum(map(math.sin, numbers)),
        "cosines": math.fsum(map(math.cos, numbers)),
        "roots": math.fsum(map(math.sqrt, numbers)),
    }
    payload = {"start": first, "operations": len(numbers)}

    assert check("float", payload, output) is None
    assert "sines is" in (check("float", payload, output | {"sines": output["sines"] + 2e-5}) or "")
    assert "roots is" in (check("float", payload, output | {"roots": output["roots"] * (1 + 2e-9)}) or "")
    assert "cosines is nan" in (check("float", payload, output | {"cosines": math.nan}) or "")


def test_one_number_left_out_is_wrong() -> None:
    numbers = range(1500, 1500 + 100_000 - 1)
    output = {
        "sines": math.fsum(map(math.sin, numbers)),
        "cosines": math.fsum(map(math.cos, numbers)),
        "roots": math.fsum(map(math.sqrt, numbers)),
    }

    assert check("float", {"start": 1500, "operations": 100_000}, output)


# --- json-dumps


def test_document_has_every_kind_of_value() -> None:
    document = make_payload("json-dumps", records=100)["document"]

    for piece in ("\\u00e9", '\\"', "\\\\", "\\n", "true", "false", "null", ".25", "-", '["tag'):
        assert piece in document, piece


# --- chameleon


def test_pages_are_the_ones_written_by_hand() -> None:
    # xorshift32 from 1 gives 270369 and 67634689; see test_checks_are_independent.py.
    head, tail = (
        b"<table>\n<caption>&lt;word &amp; ",
        b"&gt;</caption>\n<tr><td>270369</td>\n<td>634689</td></tr>\n</table>\n",
    )
    pages = [head + str(number).encode() + tail for number in range(11)]
    output = {
        "html_bytes": sum(map(len, pages)),
        "pages_crc32": f"{zlib.crc32(b''.join(pages)):08x}",
        "cells": 2,
        "page_sha256": hashlib.sha256(pages[-1]).hexdigest(),
    }
    payload = {"rows": 1, "columns": 2, "pages": 11, "caption": "word", "seed": 1}

    assert check("chameleon", payload, output) is None
    others = f"{zlib.crc32(pages[-1] * 11):08x}"
    assert "pages_crc32" in (check("chameleon", payload, output | {"pages_crc32": others}) or "")


# --- csv


def test_figures_of_three_rows_are_the_ones_worked_out_by_hand() -> None:
    driver = ALL["csv"].driver.module
    values = [10, 2, 300, 4, 50, 6, 7, 8, 9, 100, 11, 12, 13, 14, 15, 16, 17]

    figures = driver._figures(values, 3)  # column c has the values 0, c and 2c

    assert figures["sums"][:3] == [10 + 2 + 300, 10 + 300 + 50, 10 + 4 + 7]
    assert figures["minima"][:3] == [2, 10, 4]
    assert figures["maxima"][:3] == [300, 300, 10]
    assert figures["products"][0] == 10 * 10 + 2 * 300 + 300 * 50
    assert figures["products"][7] == 10 * 10 + 9 * 2 + 17 * 300  # the last column with the first
    assert figures["characters"][0] == len("10,2,300,")
    assert figures["characters"][7] == len("10\r\n9\r\n17\r\n")


# --- filehandle, socket


def test_sockets_are_counted_by_their_bits() -> None:
    # Bits 0 and 31 are set: 65 sockets go through all bits twice, and open bit 0 once more.
    payload = {"sockets": 65, "kinds": 1 << 31 | 1}

    assert check("socket", payload, {"streams": 5, "datagrams": 60}) is None
    assert check("socket", payload, {"streams": 4, "datagrams": 61})


def test_batches_start_at_the_files_worked_out_by_hand() -> None:
    # 130 handles are three batches, which start at files 0, 64 mod 7 = 1 and 128 mod 7 = 2.
    payload = {"handles": 130, "file_bytes": [1, 20, 300, 4000, 5, 6, 7]}

    assert check("filehandle", payload, {"opened": 130, "at_once": 64, "seen_bytes": 321}) is None


def test_handles_are_closed_when_opening_fails(tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    open_and_close = function("filehandle")["open_and_close"]
    before = len(list(Path("/dev/fd").iterdir()))

    with pytest.raises(FileNotFoundError):
        open_and_close([str(tmp_path / "there"), str(tmp_path / "missing")], 2)

    assert len(list(Path("/dev/fd").iterdir())) == before


# --- readdisk


def test_file_in_memory_is_said_to_be_cached() -> None:
    memfd = os.memfd_create("readdisk")
    module = function("readdisk")
    module["write_file"](f"/proc/self/fd/{memfd}", 4, 4096, 1)

    descriptor, how = module["opened"](f"/proc/self/fd/{memfd}", bytearray(4096))

    assert how == "cached"
    os.close(descriptor)
    os.close(memfd)


# --- gzip


def test_archive_of_another_library_need_only_be_about_as_large() -> None:
    payload = make_payload("gzip", file_mib=1)
    exact, sample = ALL["gzip"].driver.module._expected(json.dumps(payload, sort_keys=True))
    ours = exact | {"sample_bytes": sample}
    theirs = ours | {"sample_bytes": [sample[0] + 1, *sample[1:]], "archives_crc32": "00c0ffee"}
    size = exact["archive_bytes"]

    assert check("gzip", payload, ours) is None
    assert "archives_crc32" in (check("gzip", payload, ours | {"archives_crc32": "00c0ffee"}) or "")
    assert check("gzip", payload, theirs | {"archive_bytes": round(1.19 * size)}) is None
    for wrong in (round(0.79 * size), round(1.21 * size), 2**20):
        assert "expected about" in (check("gzip", payload, theirs | {"archive_bytes": wrong}) or "")
    assert "sample_bytes" in (check("gzip", payload, ours | {"sample_bytes": sample[:-1]}) or "")
