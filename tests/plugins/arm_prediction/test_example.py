"""The example that ships: a campaign of an emulated ARM, from which a model is fitted when it is first asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sebsx_arm_prediction import example, registry
from sebsx_arm_prediction.checks import LEAST_FUNCTIONS, problems
from sebsx_arm_prediction.dataset import FEATURE_NAMES
from sebsx_arm_prediction.files import write_file
from sebsx_arm_prediction.pairs import pair
from sebsx_arm_prediction.synthetic import campaign, planted_kinds
from tests.support import Call


def test_campaign_of_the_example_can_be_learned_from() -> None:
    rows = example.profiles()
    assert list(problems(rows, ("runtime_s", "cpuUserDelta_s"), functions=LEAST_FUNCTIONS)) == []
    pairs = pair(rows)
    assert "emulated" in pairs.target_name
    assert pairs.source.levels("platform") == ["local"]
    assert len(pairs.step_names) == 8 * len(pairs.functions) >= 8 * 15  # the preset `medium`, but for what failed
    assert len(Path(example.__file__).with_name("example_profiles.csv").read_bytes()) < 900_000
    page = Path(__file__).parents[3] / "docs" / "methods" / "arm-prediction.md"
    assert f"{len(pairs.functions)} of the 18 functions have rows" in page.read_text()


@pytest.mark.slow
def test_example_answers_and_says_that_it_is_no_arm(call: Call, tmp_path: Path) -> None:
    profile = tmp_path / "mine.json"
    rows = example.profiles().select(platform="local", function="thread")
    profile.write_text(json.dumps([{name: float(rows[name][0]) for name in FEATURE_NAMES}]))
    words = ("predict", "arm", "--features", str(profile), "--model", "example", "--price-as", "", "--anyway", "--json")
    said = call(*words)
    assert said.json["model"] == "example"
    assert len(said.json["answers"]) == 1
    (card,) = call("predict", "models", "--json").json
    assert (card["name"], "emulated" in card["target"]) == ("example", True)


@pytest.mark.slow
def test_example_is_fitted_again_when_its_rows_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "folder", lambda: tmp_path / "models")
    rows = tmp_path / "rows.csv"
    monkeypatch.setattr(example, "_rows", lambda: rows)
    fitted = []
    for count in (3, 3, 4):
        write_file(campaign(planted_kinds(count=count), steps=3, samples=1), rows)
        card, _ = example.load()
        fitted.append((len(card["functions"]), (tmp_path / "models" / "example" / "card.json").stat().st_mtime_ns))
    assert [count for count, _ in fitted] == [3, 3, 4]
    assert fitted[0] == fitted[1]  # not written again
