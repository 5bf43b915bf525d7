"""A model from a campaign to an answer: trained, stored, found again, asked."""

from __future__ import annotations

import json
import os
import re
import time
from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest

from sebsx import plugins
from sebsx.errors import UserError
from sebsx.model.frame import Frame
from sebsx_arm_prediction import forests, learning, registry
from sebsx_arm_prediction.dataset import Dataset
from sebsx_arm_prediction.files import write_file
from sebsx_arm_prediction.models import Effort
from sebsx_arm_prediction.money import costs_of
from sebsx_arm_prediction.pairs import pair
from sebsx_arm_prediction.predicting import _class_of, answer, answers, regardless
from sebsx_arm_prediction.scopes import ALL_IN_ONE, ARM_SPEED
from sebsx_arm_prediction.synthetic import SOURCE, campaign, planted_kinds, sleeping_kind

pytestmark = pytest.mark.slow  # scikit-learn is imported

METHODS = ("slr-linear", "lta-linear")


@pytest.fixture(scope="module")
def trained():
    pairs = pair(campaign(planted_kinds(), steps=4, samples=2))
    return learning.train(pairs, methods=METHODS, scopes=(ALL_IN_ONE,), effort=Effort(trees=5))


@pytest.fixture
def stored(trained, tmp_path):
    return registry.save("planted", *learning.to_parts(trained), place=tmp_path)


def edit(place, **changes):
    """Change a card and seal it again, as somebody who knows how would."""
    card = {**json.loads((place / "card.json").read_text()), **changes}
    (place / "card.json").write_text(json.dumps(registry._sealed(card)))


def profile(kinds, **more):
    return campaign(kinds, steps=2, samples=3, seed=8, sides=(SOURCE,), **more)


@pytest.fixture(scope="module")
def costs():
    return costs_of(plugins.load(), "aws:us-east-1", 3008)


def test_the_model_that_errs_least_on_functions_left_out_is_taken(trained):
    assert trained.predictor.method == "lta-linear"
    assert trained.error < 0.02 < trained.baselines["same-time"]
    assert sorted(trained.half_widths) == [0.5, 0.67, 0.8, 0.9]


def test_what_chooses_the_model_of_a_row_is_needed_of_a_profile_too(trained):
    def needed(**more):
        return set(learning.needed(replace(trained, predictor=replace(trained.predictor, method="slr-linear", **more))))

    assert needed() == {"runtime_s"}
    assert {"runtime_s", "cpuUserDelta_s", "cpuKernelDelta_s"} <= needed(tau=0.5)
    assert {"cpuUserDelta_s", "contextSwitchesDelta_count", "availableCPUs_count"} <= needed(
        classifier=trained.classifier
    )


def test_stored_model_answers_as_the_fitted_one(trained, stored):
    again = learning.from_parts(*registry.load(stored))
    rows = profile(planted_kinds()[:1])
    assert list(answers(again, rows)) == list(answers(trained, rows))
    assert again.facts["functions"] == trained.facts["functions"]


def test_sentence_says_what_to_do(trained, costs):
    user, kernel = planted_kinds()[0], planted_kinds()[-1]
    faster, slower = (answer(trained, profile([kind]).select(step="1"), costs) for kind in (user, kernel))
    assert (faster.decision, faster.word) == ("move", "faster")
    assert faster.sentence.startswith("Move mixture-00 (step 1): it takes 4.")
    assert faster.there_s == pytest.approx(5.0 * (0.98 * 0.8 + 0.02 * 1.4), rel=0.02)
    assert faster.low_s < faster.there_s < faster.high_s
    assert faster.break_even_ratio == pytest.approx(1.25, abs=0.001)
    assert (slower.decision, slower.word) == ("stay", "slower")
    assert slower.saving < 0
    low, high = (float(word.split()[0]) for word in re.search(r"more \((.+) more\)", slower.sentence)[1].split(" to "))
    assert low < high
    assert sum(slower.probabilities.values()) == pytest.approx(1.0)


def test_what_lies_outside_is_not_known_and_says_why(trained, costs):
    found = answer(trained, profile([sleeping_kind()]).select(step="1"), costs)
    assert (found.decision, found.is_known) == ("unknown", False)
    assert found.sentence.startswith(
        "Don't know for sleep (step 1): its idle time is 100 %, where training functions had"
    )
    assert all(reason in found.sentence for reason in found.reasons)
    assert len(found.reasons) > 1
    anyway = regardless(found)
    assert (anyway.is_known, anyway.is_outside) == (True, True)


def test_a_prediction_all_the_same_never_says_to_move(trained, costs):
    """Its interval holds for functions like those learned from alone, however far it lies on one side."""
    known = answer(trained, profile(planted_kinds()[:1]).select(step="1"), costs)
    sure = replace(known, saving=0.5, saving_low=0.4, saving_high=0.6)
    assert (sure.decision, regardless(sure)) == ("move", sure)
    for saving in (0.5, -0.5):
        ends = {"saving": saving, "saving_low": saving - 0.1, "saving_high": saving + 0.1}
        anyway = regardless(replace(known, reasons=("it had 2 processors",), **ends))
        assert anyway.decision == "measure"
        assert anyway.sentence.startswith("Measure ")
        assert "unlike what the model learned from: by the model alone it takes" in anyway.sentence
        assert "50 % " in anyway.sentence


@pytest.mark.parametrize("method", ["slr-linear", "mlr-forest", "lta-linear"])
def test_beyond_the_run_times_learned_from_time_grows_with_the_work(method):
    """A line's base, or the last leaf of a tree, is not what a call of a millisecond takes."""
    pairs = pair(campaign(planted_kinds(), steps=4, samples=2))
    fitted = learning.train(pairs, methods=(method,), scopes=(ALL_IN_ONE,), effort=Effort(trees=5))
    shortest, longest = fitted.region.run_s
    kind = planted_kinds(cv=0)[3]
    ratios = {}
    for took_s in (shortest, 0.001, longest, 10 * longest):
        rows = campaign([replace(kind, here_s=(took_s, took_s + 1e-9))], steps=1, samples=4, sides=(SOURCE,))
        found = answer(fitted, rows)
        assert found.is_known == (shortest <= took_s <= longest)
        ratios[took_s] = regardless(found).there_s / took_s
    assert ratios[0.001] == pytest.approx(ratios[shortest], rel=0.02)
    assert ratios[10 * longest] == pytest.approx(ratios[longest], rel=0.02)


def test_model_of_another_machine_is_told(trained):
    import dataclasses

    elsewhere = dataclasses.replace(trained.region, environment="aws x86_64 1024 MiB", cpus=1.0)
    reasons = list(elsewhere.reasons(profile(planted_kinds()[:1])))
    assert reasons[0].startswith("it was profiled on aws x86_64 3008 MiB, and the model learned from aws x86_64 1024")
    assert reasons[1] == "it had 2 processors, and training functions had 1"


def test_model_of_another_scikit_learn_is_refused_with_what_to_do(stored):
    edit(stored, scikit_learn="0.1")
    with pytest.raises(UserError, match=r"made with scikit-learn 0\.1, and .* train it again \(sebsx predict train"):
        registry.load(stored)


def test_model_that_was_changed_or_holds_strange_types_is_refused(stored):
    import hashlib

    import skops.io
    from sklearn.linear_model import Ridge

    (path,) = stored.glob("model-*.skops")
    path.write_bytes(skops.io.dumps({"all/0": Ridge()}))
    with pytest.raises(UserError, match=r"is damaged: model-[0-9a-f]{12}\.skops is not the file"):
        registry.load(stored)
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    path = path.rename(stored / f"model-{sha256[:12]}.skops")
    edit(stored, skops_sha256=sha256)
    with pytest.raises(UserError, match=r"holds sklearn\.linear_model\._ridge\.Ridge, which no model of sebsx has"):
        registry.load(stored)
    path.write_bytes(b"no zip")
    with pytest.raises(UserError, match="is damaged"):
        registry.check_types(path, stored.name)


def test_damaged_cards_and_unknown_names_are_one_line(stored, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    with pytest.raises(UserError, match="model 'arm' is not known; make one: sebsx predict train"):
        registry.find("arm")
    with pytest.raises(UserError, match=r"invalid name '\.\./x' of a model"):
        registry.save("../x", {}, {})
    assert registry.find(str(stored)) == stored
    (stored / "card.json").write_text("{}")
    with pytest.raises(UserError, match="was not written by this version"):
        registry.card_of(stored)
    with pytest.raises(UserError, match="is damaged: its card lacks or garbles 'models'"):
        learning.from_parts({"name": "x"}, {})


@pytest.mark.parametrize("change", [{"method": "x"}, {"models": []}, {"error": "x"}, {"half_widths": {"0.8": "x"}}])
def test_card_that_was_edited_is_damaged(stored, change):
    card = json.loads((stored / "card.json").read_text())
    (stored / "card.json").write_text(json.dumps({**card, **change}))
    with pytest.raises(UserError, match=r"'planted' is damaged: card\.json is not as it was written; train it again"):
        registry.load(stored)


def test_card_and_file_of_somebody_who_can_seal_them_are_damaged_where_they_hold_nonsense(stored, monkeypatch):
    """Whatever a model from elsewhere holds: one line, before anything is predicted."""
    import hashlib
    import io
    import zipfile

    import skops.io

    card = json.loads((stored / "card.json").read_text())
    region = card["region"]
    cards = {
        "models": {"all": {"features": "x", "targets": [], "estimators": 1}}, "scope": [], "method": "nope", "tau": "x",
        "half_widths": {"0.8": "x"}, "coverages": 5, "error": "y", "classifier": ["a", "b"], "target": None,
        "functions": 7, "skops_sha256": "../x\0", "scikit_learn": ["x"], "runs": 9, "baselines": 3,
    }  # fmt: skip
    regions = {"low": ["x"] * 12, "points": [[1, 2]], "run_s": [0, 0], "cpus": 0, "high": 3}
    changes = [{key: value} for key, value in cards.items()]
    changes += [{"region": {**region, key: value}} for key, value in regions.items()]
    for change in changes:
        edit(stored, **{**card, **change})
        with pytest.raises(UserError, match=r"^model 'planted' is damaged: [^\n]+$"):
            learning.from_parts(*registry.load(stored))

    (path,) = stored.glob("model-*.skops")
    with zipfile.ZipFile(path) as archive:
        whole = {name: archive.read(name) for name in archive.namelist()}
    half = {name: content if name == "schema.json" else content[: len(content) // 2] for name, content in whole.items()}
    files = [half, {"schema.json": whole["schema.json"]}, {"schema.json": b"[" * 100_000}, {"schema.json": b"[]"}, {}]
    files += [{"schema.json": b'{"__class__": "dict", "__module__": "builtins", "__loader__": "DictNode"}'}]
    monkeypatch.setattr(registry, "_MOST_BYTES", 2**20)
    files += [{"schema.json": b" " * (2**20 + 1)}]  # a bomb of one kilobyte
    contents = [skops.io.dumps({"x": []}), skops.io.dumps([1])]
    for members in files:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        contents.append(packed.getvalue())
    for content in contents:
        sha256 = hashlib.sha256(content).hexdigest()
        (stored / f"model-{sha256[:12]}.skops").write_bytes(content)
        edit(stored, **{**card, "skops_sha256": sha256})
        with pytest.raises(UserError, match=r"^model 'planted' (is damaged: |has )[^\n]+$"):
            learning.from_parts(*registry.load(stored))


def test_estimators_of_another_shape_are_damage(trained, tmp_path):
    """Sealed or not: told when the model is read, and no tree is asked for a feature that no row has."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
    from sklearn.linear_model import LinearRegression

    rng = np.random.default_rng(0)
    few, many, one = rng.random((20, 3)), rng.random((20, 40)), rng.random(20)
    unfitted = RandomForestRegressor(n_estimators=2)
    beside = RandomForestRegressor(n_estimators=2).fit(many, one)
    beside.n_features_in_ = 1
    card, estimators = learning.to_parts(trained)
    busy = next(name for name in estimators if name != "classifier")
    strange = [
        (busy, LinearRegression().fit(few, one)), (busy, LinearRegression().fit(few[:, :1], few)), (busy, unfitted),
        (busy, beside), (busy, RandomForestRegressor(n_estimators=2).fit(few[:, :1], few)), (busy, {"x": 1}),
        ("classifier", RandomForestClassifier(n_estimators=2).fit(few, one > 0.5)), ("classifier", unfitted),
        ("classifier", RandomForestClassifier(n_estimators=2).fit(rng.random((20, 12)), np.arange(20) + 7)),
    ]  # fmt: skip
    for name, estimator in strange:
        place = registry.save("strange", card, {**estimators, name: estimator}, place=tmp_path)
        with pytest.raises(UserError, match=r"^model 'strange' is damaged: its estimators do not answer: [^\n]+$"):
            learning.from_parts(*registry.load(place))


def test_model_that_could_not_be_kept_is_not_fitted(call, tmp_path):
    write_file(campaign(planted_kinds(count=3), steps=2, samples=1), tmp_path / "c.csv")
    words = ("predict", "train", "--features", str(tmp_path / "c.csv"), "--save")
    call(*words, "A B").assert_fails(2, "invalid name 'A B' of a model")
    registry.folder().parent.mkdir(parents=True, exist_ok=True)
    registry.folder().write_text("a file where the folder should be")
    call(*words, "good").assert_fails(2, "model 'good' cannot be written to", "File exists")
    call("predict", "arm", "--features", "c.csv", "--model", "/etc").assert_fails(2, "there is no model in '/etc'")


def test_model_stays_where_a_new_one_of_its_name_cannot_be_written(trained, stored, monkeypatch):
    card, estimators = learning.to_parts(trained)
    before = registry.load(stored)[0]

    def full(path, *_arguments, **_more):
        raise OSError(28, "No space left on device")

    changed = ({**card, "tau": 0.9}, {**estimators, "more": estimators["all/0"]})
    with monkeypatch.context() as patch:
        patch.setattr(type(stored), "write_text", full)
        with pytest.raises(UserError, match=r"model 'planted' cannot be written to .*: No space left"):
            registry.save("planted", *changed, stored.parent)
        with pytest.raises(UserError, match="model 'new' cannot be written"):
            registry.save("new", *changed, stored.parent)
    assert registry.load(stored)[0] == before
    assert [path.name for path in stored.parent.iterdir()] == ["planted"]
    with pytest.raises(UserError):
        registry.find("a" * 5000)


def test_model_is_replaced_in_one_rename(trained, stored, monkeypatch):
    """Whoever is killed at any rename leaves the old model or the new one, whole."""
    card, estimators = learning.to_parts(trained)
    changed = ({**card, "tau": 0.9}, {**estimators, "more": estimators["all/0"]})
    rename, found = type(stored).replace, []

    class Killed(BaseException):
        pass

    for survived in (0, 1, 2):
        left = iter([True] * survived)

        def replace_or_die(path, target, left=left):
            if not next(left, False):
                raise Killed
            return rename(path, target)

        with monkeypatch.context() as patch:
            patch.setattr(type(stored), "replace", replace_or_die)
            with suppress(Killed):
                registry.save("planted", *changed, stored.parent)
        found.append((registry.load(stored)[0]["tau"], sorted(registry.load(stored)[1])))
    old, new = (
        (None, ["all/0", "all/1", "all/2", "classifier"]),
        (0.9, ["all/0", "all/1", "all/2", "classifier", "more"]),
    )
    assert found == [old, old, new]
    assert len(list(stored.iterdir())) == 2  # the card and its file


def test_what_a_killed_training_leaves_is_no_model_and_goes(trained, stored, monkeypatch):
    monkeypatch.setattr(registry, "folder", lambda: stored.parent)
    now, old = (stored.parent / f".new-{name}" for name in ("now", "old"))
    for left in (now, old):
        left.mkdir()
        (left / "card.json").write_text((stored / "card.json").read_text())
    os.utime(old, (0, 0))
    assert registry.names() == ["planted"]
    registry.save("planted", *learning.to_parts(trained), place=stored.parent)
    assert sorted(path.name for path in stored.parent.iterdir()) == [".new-now", "planted"]


@pytest.mark.parametrize("method", ["boosting", "lta-forest"])
def test_models_with_trees_are_stored_and_answer_the_same_within_their_time(method, tmp_path):
    pairs = pair(campaign(planted_kinds(), steps=4, samples=2))
    fitted = learning.train(pairs, methods=(method,), scopes=(ARM_SPEED,), effort=Effort(trees=50))
    again = learning.from_parts(*registry.load(registry.save("trees", *learning.to_parts(fitted), place=tmp_path)))
    rows = campaign(planted_kinds()[3:4], steps=1, samples=10, seed=8, sides=(SOURCE,))
    assert answer(again, rows) == answer(fitted, rows)

    def answered_s():
        began = time.process_time()
        answer(again, rows)
        return time.process_time() - began

    assert min(answered_s() for _ in range(10)) < 0.05


def test_trees_asked_one_by_one_answer_as_their_forest_does():
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    rng = np.random.default_rng(1)
    inputs, labels = rng.normal(size=(200, 5)), rng.integers(0, 3, 200)
    regressor = RandomForestRegressor(7, random_state=0).fit(inputs, inputs[:, 0] ** 2)
    classifier = RandomForestClassifier(7, random_state=0).fit(inputs, labels)
    assert forests.predicted(regressor, inputs) == pytest.approx(regressor.predict(inputs))
    assert forests.shares_of_classes(classifier, inputs) == pytest.approx(classifier.predict_proba(inputs))


def test_profile_of_a_run_time_alone_is_not_known_and_asks_no_classifier(trained):
    rows = profile(planted_kinds()[:1]).select(step="1")
    bare = Dataset(frame=rows.frame.beside(Frame({"cpuUserDelta_s": np.full(len(rows), np.nan)}, {})))
    by_time = learning.fit_scope(ALL_IN_ONE, "slr-linear", pair(campaign(planted_kinds(), steps=2, samples=1)))
    found = answer(replace(trained, predictor=by_time), bare)
    assert found.reasons == (
        "its profile lacks cpuUserDelta_s, without which it cannot be compared with training functions",
    )
    anyway = regardless(found)
    assert (anyway.word, anyway.probabilities) == (_class_of(anyway.there_s / anyway.here_s), {})


def test_a_damaged_model_hides_no_other(trained, stored, monkeypatch, tmp_path):
    from types import SimpleNamespace

    from sebsx_arm_prediction.commands import PredictModels

    monkeypatch.setattr(registry, "folder", lambda: tmp_path)
    registry.save("other", *learning.to_parts(trained))
    (stored / "card.json").write_text("[" * 100_000)
    warnings, results = [], []
    output = SimpleNamespace(warning=warnings.append, result=lambda cards, *_, **__: results.extend(cards))
    PredictModels().run(SimpleNamespace(output=output), None)
    assert [card["name"] for card in results] == ["other"]
    assert warnings[0].startswith("model 'planted' cannot be read")
