"""Tags say whose a resource is and when anybody may delete it, in what the strictest provider takes."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta, timezone

import pytest

from sebsx.clouds import tags

RUN = "01JZ0000000000000000000009"
NOON = datetime(2026, 9, 6, 14, 0, tzinfo=timezone(timedelta(hours=2)))


def test_tags_say_whose_and_until_when() -> None:
    made = tags.make(RUN, "aws", NOON)
    assert made["sebsx-run"] == RUN
    assert made["sebsx-platform"] == "aws"
    assert made["sebsx-expires"] == "2026-09-06T12:00:00Z"
    assert set(made) == {"sebsx-run", "sebsx-platform", "sebsx-owner", "sebsx-expires"}


def test_owner_is_told_in_what_tags_may_hold_whoever_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "LAB\\ann" + "x" * 300)
    owner = tags.make(RUN, "aws", NOON)["sebsx-owner"]
    assert owner.startswith("LAB-annx")
    assert len(owner) == 256
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", {}.__getitem__)  # a user that the system does not know
    owner = tags.make(RUN, "aws", NOON)["sebsx-owner"]
    assert owner.startswith(f"{os.getuid()}@")
    assert re.fullmatch(r"[\w .:/=+@-]+", owner)


def test_what_is_found_by_its_tags_is_known_again() -> None:
    made = tags.make(RUN, "fly", NOON)
    found = tags.resource("machine", "m", {**made, "cost-centre": "7"}, region="ams", provider_id="id-1")
    assert (found.platform, found.run_id, found.region, found.provider_id) == ("fly", RUN, "ams", "id-1")
    assert found.expires_at == NOON
    assert found.id is None
    assert found.tags["cost-centre"] == "7"


@pytest.mark.parametrize("text", [None, "soon", ""])
def test_without_an_expiry_it_is_kept_until_its_run_is_named(text: str | None) -> None:
    made = tags.make(RUN, "fly", NOON)
    del made["sebsx-expires"]
    found = tags.resource("machine", "m", made if text is None else {**made, "sebsx-expires": text})
    assert found.expires_at == datetime.max.replace(tzinfo=UTC)


def test_only_what_carries_the_tag_of_a_run_of_this_platform_is_ours() -> None:
    made = tags.make(RUN, "fly", NOON)
    assert tags.are_ours(made, "fly")
    assert not tags.are_ours(made, "aws")
    assert not tags.are_ours({"sebsx-platform": "fly"}, "fly")
    assert not tags.are_ours({}, "fly")
