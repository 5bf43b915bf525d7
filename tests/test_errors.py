from __future__ import annotations

import inspect

import pytest

from sebsx import errors
from sebsx.errors import UnknownNameError

CLASSES = [cls for _, cls in inspect.getmembers(errors, inspect.isclass) if issubclass(cls, errors.SebsxError)]


def test_tree_in_the_docstring_names_every_class_with_its_parent():
    parents: dict[int, str] = {}
    found = {}
    for line in (errors.__doc__ or "").splitlines():
        name = line.lstrip(" │├└─").split(" ")[0]
        if name.endswith("Error"):
            depth = line.index(name)
            found[name] = parents.get(depth - 4)
            parents[depth] = name
    assert found == {cls.__name__: None if cls is errors.SebsxError else cls.__bases__[0].__name__ for cls in CLASSES}


@pytest.mark.parametrize(
    ("cls", "code"),
    [
        (errors.UserError, 2),
        (errors.UnknownNameError, 2),
        (errors.PackagingError, 2),
        (errors.PluginError, 3),
        (errors.MissingDependencyError, 3),
        (errors.PlatformError, 4),
        (errors.CredentialsError, 4),
        (errors.DeployError, 4),
        (errors.QuotaError, 4),
        (errors.UnsupportedError, 4),
        (errors.StoreError, 5),
        (errors.ThresholdError, 1),
    ],
)
def test_each_branch_has_its_exit_code(cls, code):
    assert cls.exit_code == code


def test_unknown_name_suggests_the_nearest():
    error = errors.UnknownNameError("platform", "aws-arn", ["local", "aws-arm"], "sebsx list platforms")
    assert str(error) == "platform 'aws-arn' is not known; did you mean 'aws-arm'? (sebsx list platforms)"
    assert error.nearest == "aws-arm"


def test_names_that_are_told_are_told_once():
    error = errors.UnknownNameError("level", "zzz", ["cold", "warm"], "there are cold, warm")
    assert str(error) == "level 'zzz' is not known; there are cold, warm"


def test_unknown_name_far_from_all_suggests_none():
    error = errors.UnknownNameError("platform", "zzz", ["local"])
    assert str(error) == "platform 'zzz' is not known"
    assert error.nearest is None


@pytest.mark.parametrize(
    ("name", "known", "message"),
    [
        ("SLEEP", ["sleep", "load"], "; did you mean 'sleep'?"),
        ("thumb", ["thumbnailer", "sleep"], "; did you mean 'thumbnailer'?"),
        ("us-east-9", ["us-east-1", "us-east-2", "us-west-1"], "; did you mean 'us-east-1' or 'us-east-2'?"),
        ("huge", ["test", "small"], "; there are test, small"),
        ("huge", [f"size-{number}" for number in range(100)], ""),
        ("huge", ["only"], ""),
        ("things", ["options", "words", "metrics"], "; there are options, words, metrics"),
    ],
)
def test_unknown_name_is_told_the_nearest_or_the_few_there_are(name, known, message):
    assert str(UnknownNameError("size", name, known, of="x")) == f"size {name!r} of x is not known{message}"


def test_unknown_name_that_surely_means_another_is_told_that_one():
    error = UnknownNameError("language", "javascript", ["java", "nodejs"], meant=["nodejs"])
    assert str(error) == "language 'javascript' is not known; did you mean 'nodejs'?"
