"""Names by a provider's rule: taken by it, the same each time, and never those of something else."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sebsx.contracts.naming import NamingRule
from sebsx.testing.contexts import RUN, context_for
from sebsx.testing.fakes import FakePlatform

STORAGE_ACCOUNT = NamingRule(longest=24, shortest=3, marks="")
BUCKET = NamingRule(longest=63, shortest=3)
RULES = st.builds(
    lambda shortest, more, marks: NamingRule(shortest=shortest, longest=max(shortest, 12) + more, marks=marks),
    st.integers(1, 40), st.integers(0, 60), st.sampled_from(["", "-", "-_", "_", "-_."]),
)  # fmt: skip


@pytest.mark.slow
@given(RULES, st.text(max_size=80))
def test_every_name_keeps_the_rule(rule: NamingRule, text: str) -> None:
    name = rule.fit(text)
    assert rule.shortest <= len(name) <= rule.longest
    assert re.fullmatch(rf"[a-z]([a-z0-9{re.escape(rule.marks)}]*[a-z0-9])?", name)
    assert rule.fit(text) == name


@pytest.mark.slow
@given(RULES, st.lists(st.text(alphabet="abAB-_. ü1", max_size=70), min_size=2, max_size=20, unique=True))
def test_other_texts_have_other_names(rule: NamingRule, texts: list[str]) -> None:
    assert len({rule.fit(text) for text in texts}) == len(texts)


def test_what_fits_stays_readable() -> None:
    assert BUCKET.fit("sebsx-01jz-aws-bucket") == "sebsx-01jz-aws-bucket"
    assert STORAGE_ACCOUNT.fit("sebsx01jz") == "sebsx01jz"
    assert re.fullmatch(r"sebsx01jz00000[a-z2-7]{10}", STORAGE_ACCOUNT.fit("sebsx-01jz0000000000-azure-storage"))


@pytest.mark.parametrize(("shortest", "longest"), [(1, 11), (0, 20), (30, 20)])
def test_rule_by_which_names_cannot_be_told_apart_is_refused(shortest: int, longest: int) -> None:
    with pytest.raises(ValueError, match="cannot be distinguished"):
        NamingRule(shortest=shortest, longest=longest)


@pytest.mark.parametrize("rule", [BUCKET, STORAGE_ACCOUNT, NamingRule(longest=15)])
def test_names_of_runs_platforms_kinds_and_attempts_differ(rule: NamingRule, tmp_path: Path) -> None:
    context = context_for(FakePlatform, tmp_path)
    others = [
        replace(context, run_id=RUN[:-1] + "A"), replace(context, platform="other"), replace(context, attempt="b2c4d6"),
    ]  # fmt: skip
    names = [each.name(kind, rule) for each in (context, *others) for kind in ("bucket", "queue")]
    assert len(set(names)) == len(names)
    assert replace(context, workdir=tmp_path / "elsewhere").name("bucket", rule) == names[0]


def test_a_name_says_whose_it_is_where_there_is_room(tmp_path: Path) -> None:
    context = context_for(FakePlatform, tmp_path, attempt="b2c4d6")
    assert context.name("bucket", BUCKET) == f"sebsx-{RUN.lower()}-fake-bucket-b2c4d6"
