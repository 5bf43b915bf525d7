"""Factors: what they are called, what they tell apart, and that they come back from a store as they were."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

import sebsx
from sebsx.model import Factor, Factors, Role
from sebsx.model.factors import CORE_FACTORS
from sebsx.plugins import Registry

IDLE = Factor(name="idle_s", title="idle", meaning="left alone")
VERSION = Factor(name="version", implies=("benchmark", "folder"), base="base")
SHAPE = Factor(name="shape", role=Role.DERIVED, of=("load",))


@pytest.mark.parametrize(
    ("factor", "level", "shown"),
    [
        (IDLE, 8, "idle 8 s"),
        (IDLE, 0.5, "idle 0.5 s"),
        (IDLE, "bisection", "bisection"),
        (IDLE, None, ""),
        (Factor(name="memory_mib", bare=True), 512, "512 MiB"),
        (Factor(name="message_bytes", title="message", bare=True), 65536, "64 KiB"),
        (Factor(name="message_bytes", title="message"), 300000, "message 300000 B"),
        (Factor(name="message_bytes", title="message"), 0, "message 0 B"),
        (Factor(name="parameters"), {"n": 3, "m": 4}, "parameters n=3,m=4"),
        (Factor(name="users"), 4, "users 4"),
        (Factor(name="pinned"), True, "pinned True"),
    ],
)
def test_level_is_shown_with_title_and_unit(factor: Factor, level: object, shown: str) -> None:
    assert factor.show(level) == shown


def test_name_says_unit_and_title_where_nobody_declares_a_factor() -> None:
    assert (Factor.named("spin_up_s").title, Factor.named("spin_up_s").unit) == ("spin up", "s")
    assert Factor.named("model_sha256").role is Role.IDENTITY


def test_what_is_derived_says_of_what() -> None:
    with pytest.raises(ValueError, match="says of what"):
        Factor(name="shape", role=Role.DERIVED)
    with pytest.raises(ValueError, match="says of what"):
        Factor(name="shape", of=("load",))


CELLS = [
    {"platform": "local", "benchmark": "echo", "memory_mib": 128, "idle_s": idle_s, "users": 4, "start": "warm"}
    for idle_s in (1, 8)
]


def test_label_holds_what_varies_and_what_is_always_told() -> None:
    factors = Factors.of([IDLE], CELLS)
    assert factors.label(CELLS[1]) == "echo 128 MiB idle 8 s warm"
    assert Factors.of([IDLE], CELLS[:1]).label(CELLS[0]) == "echo 128 MiB warm"


def test_factors_come_back_from_json_as_they_were() -> None:
    factors = Factors.of([IDLE, VERSION, SHAPE], CELLS)
    assert Factors.read(json.loads(json.dumps(factors.stored()))) == factors
    assert Factors.read(None) == Factors()
    later = {"declared": [{"name": "idle_s", "colour": "red"}], "varying": []}
    assert Factors.read(later)["idle_s"].unit == "s"


def test_what_follows_from_a_factor_differs_by_nature() -> None:
    factors = Factors.of([VERSION, SHAPE])
    assert factors.implied("version") == {"version", "benchmark", "folder"}
    assert factors.implied("load") == {"load", "shape"}
    assert "parameters" in factors.implied("size")


def test_base_and_new_are_alike_in_all_else() -> None:
    factors = Factors.of([VERSION])
    base, new, other = (
        {"benchmark": name, "benchmark_sha256": name, "version": version, "memory_mib": memory_mib, "start": "warm"}
        for name, version, memory_mib in (("old", "base", 128), ("young", "new", 128), ("young", "new", 256))
    )
    assert factors.alike(base) == factors.alike(new) != factors.alike(other)


@pytest.mark.slow
def test_core_knows_no_factor_of_a_plugin_by_name(sebsx_registry: Registry) -> None:
    core = {factor.name for factor in CORE_FACTORS}
    own = {factor.name for cls in sebsx_registry.experiments.values() for factor in cls.factors} - core
    # A single word, as `path`, is a word of core as well; and a platform has a limit of the other name.
    telling = {name for name in own if "_" in name} - {"payload_bytes"}
    assert {"idle_s", "d_init", "message_bytes"} <= telling
    for file in Path(sebsx.__file__).parent.rglob("*.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        words = {
            node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
        }
        assert not words & telling, f"{file}: {words & telling}"
