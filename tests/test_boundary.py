"""What a plugin does wrong is told as the plugin's: every kind, every method, every way of failing."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from math import nan
from typing import Any

import pytest

from sebsx.contracts.storage import Storage
from sebsx.errors import EXIT_PLUGIN, DeployError, PlatformError, PluginError
from sebsx.model import Capability, Cell, Deployment, FunctionConfig, Option, Plan
from sebsx.model.metrics import CORE_METRICS, Metric
from sebsx.plugins import KINDS, PluginKind, checking, guarding
from sebsx.plugins.expecting import check_of, resolve
from sebsx.plugins.guarding import Owner, function_of, guard, methods_of
from sebsx.plugins.handing import HANDED_OUT, _load
from sebsx.settings import setting

CLASSES = [kind for kind in KINDS if not (kind.of_instances or kind.in_folders)]
METHODS = [(kind, name) for kind in CLASSES for name in methods_of(kind.load_base())]
OWNER = Owner("mine", "my-dist", "1.2")
# What a class of some kinds must say of itself besides name and summary.
SAID: dict[str, Any] = {"suffix": ".x", "wrapper_suffix": ".x", "message_bytes": 1}


class Strange:
    """A value that no contract speaks of."""


def fails(*_arguments: Any, **_named: Any) -> Any:
    raise ZeroDivisionError("a fault of the plugin")


def leaves(*_arguments: Any, **_named: Any) -> Any:
    raise SystemExit(1)


class Panic(BaseException):
    """What some languages' bindings raise past `except Exception`."""


def panics(*_arguments: Any, **_named: Any) -> Any:
    raise Panic("a fault below the plugin")


def returns_strange(*_arguments: Any, **_named: Any) -> Any:
    return Strange()


def subclass(kind: PluginKind, **body: Any) -> type[Any]:
    """Return a class of a kind that does nothing, save what `body` says."""
    base: Any = kind.load_base()
    stubs = {name: lambda *_arguments, **_named: None for name in getattr(base, "__abstractmethods__", ())}
    return type("Mine", (base,), {"name": "mine", "summary": "does nothing", **SAID, **stubs, **body})


def placed(member: Any, behaviour: Callable[..., Any]) -> Any:
    """Return a behaviour in the form of a member of a contract: a method, property or class method."""
    if isinstance(member, property):
        return property(behaviour)
    return classmethod(behaviour) if isinstance(member, classmethod) else behaviour


def call(kind: PluginKind, name: str, behaviour: Callable[..., Any]) -> Any:
    """Register a class whose one method behaves so, and call that as core would."""
    member = methods_of(kind.load_base())[name]
    cls = subclass(kind, **{name: placed(member, behaviour)})
    checking.check_class(cls, kind, checking.Register(lambda: ()))
    guarded = guard(cls, kind, OWNER)
    wanted = inspect.signature(function_of(member)).parameters.values()
    count = sum(item.kind in (item.POSITIONAL_ONLY, item.POSITIONAL_OR_KEYWORD) for item in wanted) - 1
    named = {item.name: None for item in wanted if item.kind is item.KEYWORD_ONLY}
    if name == "__init__":
        return guarded(*[None] * count, **named)
    instance = object.__new__(guarded)
    if isinstance(member, property):
        return getattr(instance, name)
    return getattr(instance, name)(*[None] * count, **named)


@pytest.mark.parametrize(("kind", "name"), METHODS, ids=[f"{kind.name}-{name}" for kind, name in METHODS])
def test_whatever_a_plugin_raises_is_told_as_the_plugins(kind, name):
    for behaviour in (fails, leaves, panics):
        with pytest.raises(PluginError) as caught:
            call(kind, name, behaviour)
        text = str(caught.value)
        assert text.startswith(f"{kind.singular} 'mine' of my-dist 1.2: {name}"), behaviour
        assert "\n" not in text
        assert caught.value.exit_code == EXIT_PLUGIN


def promises(kind: PluginKind, name: str) -> bool:
    """Tell whether a method promises something that can be looked at."""
    function = function_of(methods_of(kind.load_base())[name])
    annotation = function.__annotations__.get("return")
    if name.startswith("__") or annotation in (None, "None"):
        return False
    return not check_of(annotation, function.__module__)(Strange())


@pytest.mark.parametrize(
    ("kind", "name"),
    [pair for pair in METHODS if promises(*pair)],
    ids=[f"{kind.name}-{name}" for kind, name in METHODS if promises(kind, name)],
)
def test_whatever_a_plugin_returns_wrong_is_told_as_the_plugins(kind, name):
    with pytest.raises(
        PluginError, match=rf"^{kind.singular} 'mine' of my-dist 1.2: {name}.* returned a Strange, not "
    ):
        call(kind, name, returns_strange)


def test_nearly_every_method_promises_something():
    silent = {name for kind, name in METHODS if not promises(kind, name) and not name.startswith("__")}
    assert len(silent) < len(METHODS) / 3, silent


@pytest.mark.parametrize(("kind", "name"), METHODS, ids=[f"{kind.name}-{name}" for kind, name in METHODS])
def test_every_annotation_of_a_contract_is_understood(kind, name):
    function = function_of(methods_of(kind.load_base())[name])
    _, missing = resolve(function.__annotations__.get("return", "None"), function.__module__)
    assert missing == []


def by_name(name: str) -> PluginKind:
    return next(kind for kind in KINDS if kind.name == name)


def test_errors_of_our_own_pass_as_they_are():
    def refuses(*_arguments: Any) -> Any:
        raise PlatformError("no such region")

    with pytest.raises(PlatformError, match="no such region"):
        call(by_name("platforms"), "deploy", refuses)


def test_an_exception_that_belongs_to_the_contract_passes():
    def refuses(*_arguments: Any) -> Any:
        raise ValueError("no offers in it")

    with pytest.raises(ValueError, match="no offers in it"):
        call(by_name("pricelists"), "read_offer_file", refuses)


def test_interruption_passes():
    def interrupted(*_arguments: Any) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call(by_name("platforms"), "deploy", interrupted)


def test_what_a_plugin_raises_and_catches_itself_stays_its_own():
    def asks_itself(self: Any, *_arguments: Any) -> Any:
        try:
            self.books()
        except ZeroDivisionError:
            return None
        return Strange()

    kind = by_name("pricelists")
    cls = subclass(kind, books=fails, read_offer_file=asks_itself)
    with pytest.raises(PluginError, match=r"read_offer_file\(\) returned None"):
        guard(cls, kind, OWNER)().read_offer_file({})


def test_guarded_class_is_the_same_each_time_and_finds_what_is_put_into_the_class():
    kind = by_name("pricelists")
    cls: Any = subclass(kind, books=lambda _self: [])
    guarded = guard(cls, kind, OWNER)
    assert guard(cls, kind, OWNER) is guarded
    cls.books = fails
    with pytest.raises(PluginError, match="books"):
        guarded().books()


def test_iterator_of_a_plugin_is_guarded_while_it_goes_on():
    def two(_self: Any) -> Iterator[int]:
        yield 1
        raise ZeroDivisionError

    told = guarding._iterating("kind 'x' of y: two()", two(None))  # nothing in the contracts returns one today
    assert next(told) == 1
    with pytest.raises(PluginError, match="two"):
        next(told)


HANDED = [(place, name) for place, _, _ in HANDED_OUT for name in methods_of(_load(place))]


def handed_out(place: str, **body: Any) -> Any:
    """Return an object of a contract as core is handed it by a platform."""
    base: Any = _load(place)
    stubs = {name: lambda *_arguments, **_named: None for name in base.__abstractmethods__}
    made = type("Its", (base,), {**stubs, **body})()
    kind = by_name("platforms")
    cls = subclass(kind, storage=lambda _self: made)
    return object.__new__(guard(cls, kind, OWNER)).storage()


@pytest.mark.parametrize(("place", "name"), HANDED, ids=[f"{place}-{name}" for place, name in HANDED])
@pytest.mark.parametrize("behaviour", [fails, leaves, panics], ids=["raises", "exits", "panics"])
def test_whatever_an_object_of_a_plugin_raises_is_told_as_the_plugins(place, name, behaviour):
    wanted = inspect.signature(methods_of(_load(place))[name]).parameters
    with pytest.raises(PluginError) as caught:
        getattr(handed_out(place, **{name: behaviour}), name)(*[None] * (len(wanted) - 1))
    assert str(caught.value).startswith(f"storage of platform 'mine' of my-dist 1.2: {name}() failed: ")
    assert caught.value.exit_code == EXIT_PLUGIN


def test_whatever_an_object_of_a_plugin_returns_wrong_is_told_as_the_plugins():
    storage = handed_out("sebsx.contracts.storage:Storage", get=returns_strange, keys=lambda _self, _prefix: "word")
    with pytest.raises(
        PluginError, match=r"^storage of platform 'mine' of my-dist 1.2: get\(\) returned a Strange, not"
    ):
        storage.get("key")
    with pytest.raises(PluginError, match=r"keys\(\) returned 'word', not Sequence\[str\]"):
        storage.keys("")


def test_object_of_a_plugin_stays_itself_and_its_contracts_exceptions_pass():
    def missing(_self: Any, key: str) -> bytes:
        raise KeyError(key)

    storage = handed_out("sebsx.contracts.storage:Storage", get=missing, colour="red")
    assert isinstance(storage, Storage)
    assert (storage.colour, type(storage).__name__) == ("red", "Its")
    with pytest.raises(KeyError, match="key"):
        storage.get("key")


def test_object_that_a_platform_asks_itself_is_its_own():
    class Own(Storage):
        put = put_file = keys = delete = lambda *_arguments: None
        get = fails

    def force_cold(self: Any, _deployment: Any) -> None:
        with pytest.raises(ZeroDivisionError):
            self.kept.get("key")

    kind = by_name("platforms")
    cls: Any = subclass(kind, storage=lambda self: self.kept, force_cold=force_cold, kept=Own())
    platform = object.__new__(guard(cls, kind, OWNER))
    assert platform.storage() is platform.storage() is cls.kept
    platform.force_cold(None)
    with pytest.raises(PluginError, match="get"):
        platform.storage().get("key")


def refused(kind_name: str, **body: Any) -> str:
    with pytest.raises(PluginError) as caught:
        check(kind_name, **body)
    return str(caught.value)


def check(kind_name: str, *, register: checking.Register | None = None, **body: Any) -> list[str]:
    kind = by_name(kind_name)
    return checking.check_class(subclass(kind, **body), kind, register or checking.Register(lambda: ("force-cold",)))


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.name)
@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"name": "Not Kebab"}, "kebab-case"),
        ({"name": 3}, "name = 3"),
        ({"summary": None}, "summary = None"),
        ({"summary": "  "}, "summary of one line"),
        ({"summary": "two\nlines"}, "summary of one line"),
        ({"summary": "x" * 200}, "summary of one line"),
    ],
)
def test_words_of_every_kind_are_checked(kind, body, told):
    assert told in refused(kind.name, **body)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.name)
def test_missing_summary_is_told(kind):
    base: Any = kind.load_base()
    stubs = {name: lambda *_arguments: None for name in base.__abstractmethods__}
    cls = type("Mine", (base,), {"name": "mine", **SAID, **stubs})
    with pytest.raises(PluginError, match="lacks summary"):
        checking.check_class(cls, kind, checking.Register(lambda: ()))


@dataclass
class Thawed:
    a: int = setting(1, help="a")


@dataclass(frozen=True)
class Needy:
    a: int


@dataclass(frozen=True)
class Helpless:
    a: int = 1


@dataclass(frozen=True)
class Unmakeable:
    a: int = setting(1, help="a")

    def __post_init__(self) -> None:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (dict, "not a dataclass"),
        (None, "not a dataclass"),
        (Thawed, "not frozen"),
        (Needy, "no default"),
        (Helpless, "no help"),
        (Unmakeable, "cannot be made"),
    ],
)
@pytest.mark.parametrize("kind", [kind for kind in CLASSES if kind.has_settings], ids=lambda kind: kind.name)
def test_settings_are_checked(kind, settings, told):
    assert told in refused(kind.name, Settings=settings)


@pytest.mark.parametrize(
    ("kind", "body", "told"),
    [
        ("collectors", {"metrics": None}, "metrics = None, not Sequence[Metric]"),
        ("collectors", {"metrics": ["mine.a_s"]}, "metrics = a list"),
        ("collectors", {"metrics": [Metric("other.a_s", "s")]}, "begin with 'mine.'"),
        ("analyzers", {"columns": "latency"}, "columns = 'latency', not Sequence[str]"),
        ("analyzers", {"standard": "yes"}, "standard = 'yes', not bool"),
        ("experiments", {"subject": "experiment"}, "subject 'experiment'"),
        ("experiments", {"subject": "two words"}, "subject 'two words'"),
        ("experiments", {"needs": frozenset({Capability("force-cool")})}, "did you mean 'force-cold'"),
        ("experiments", {"needs": {"force-cold"}}, "needs = a set, not frozenset[Capability]"),
        ("platforms", {"capabilities": frozenset({Capability("gpu")})}, "'gpu' that is not registered"),
        ("platforms", {"architectures": ()}, "no architectures"),
        ("platforms", {"memory_mib": (128, 10240)}, "memory_mib = a tuple, not Between | OneOf"),
        ("platforms", {"options": ("vcpu",)}, "options = a tuple, not tuple[Option, ...]"),
        (
            "platforms",
            {"options": (Option(name="start", kind=str, help="h"),)},
            "the name of another factor of a run; choose another name",
        ),
        (
            "platforms",
            {"options": (Option(name="concurrency", kind=int, help="h"),)},
            "choose another name, such as 'sandbox_concurrency'",
        ),
        ("platforms", {"options": (Option(name="vcpu", kind=int, help="h"),)}, "means something else: it is float in"),
        ("exporters", {"suffix": "json"}, "suffix = 'json'"),
        ("exporters", {"chooses": frozenset({"colour"})}, "chooses = ['colour']"),
        ("languages", {"wrapper_suffix": "py"}, "wrapper_suffix = 'py'"),
        ("platforms", {"deploy": lambda _self, _package: None}, "deploy(_self, _package) is called as deploy(self, "),
        ("platforms", {"deploy": 3}, "deploy = 3, not a method"),
        ("analyzers", {"analyze": lambda: None}, "analyze() is called as analyze(self, "),
    ],
)
def test_what_a_class_says_of_itself_is_checked(kind, body, told):
    assert told in refused(kind, **body)


def test_word_of_another_experiment_is_refused():
    register = checking.Register(lambda: ())
    assert check("experiments", register=register, subject="benchmark") == []
    with pytest.raises(PluginError, match="'benchmark', which belongs to experiment 'mine'"):
        check("experiments", register=register, name="thief", subject="benchmark")


def test_method_that_nothing_calls_is_doubted():
    (doubt,) = check("platforms", tear_down=lambda _self, _deployment: None, forced_cold=lambda _self: None)
    assert "'forced_cold', which nothing calls; is 'force_cold' meant?" in doubt


@cache
def core_metrics() -> dict[str, Metric]:
    return {metric.name: metric for metric in CORE_METRICS}


@pytest.mark.parametrize(
    ("metric", "told"),
    [
        (Metric("client.latency_s", "ms"), "belongs to 'sebsx' and is in 's', not 'ms'"),
        (Metric("client.latency_s", "s", meaning="another"), "another meaning"),
        (Metric("Not A Name", "s"), "not named"),
        (Metric("mine.a_s", ""), "no unit"),
    ],
)
def test_metric_belongs_to_who_registered_it(metric, told):
    with pytest.raises(PluginError, match=told):
        checking.check_metric(metric, "mine", core_metrics(), dict.fromkeys(core_metrics(), "sebsx"))


def test_same_metric_may_be_registered_by_two():
    checking.check_metric(CORE_METRICS[0], "mine", core_metrics(), dict.fromkeys(core_metrics(), "sebsx"))


def test_fault_of_sebsx_itself_is_no_threshold(monkeypatch):
    from sebsx import cli
    from sebsx.cli.app import App
    from sebsx.errors import EXIT_INTERNAL

    def fails(*_arguments: Any, **_named: Any) -> Any:
        raise ZeroDivisionError("a fault of sebsx")

    monkeypatch.setattr(cli.cli, "main", fails)
    assert cli._run(App(), ["runs"]) == EXIT_INTERNAL


class MuteError(DeployError):
    """An error of a plugin's own that fails to say what it is."""

    def __str__(self) -> str:
        raise RuntimeError


class CrossedError(DeployError):
    """An error of a plugin's own that ends the command as a crossed threshold does."""

    exit_code = 1


class OtherMuteError(Exception):
    __str__ = MuteError.__str__


@pytest.mark.parametrize("error", [MuteError, CrossedError, OtherMuteError])
def test_error_that_cannot_be_told_as_ours_is_told_as_the_plugins(error):
    def refuses(*_arguments: Any) -> Any:
        raise error("no")

    with pytest.raises(PluginError, match=rf"^platform 'mine' of my-dist 1.2: deploy\(\) failed: {error.__name__}"):
        call(by_name("platforms"), "deploy", refuses)


CELL = Cell({"platform": "mine"}, 1)


@pytest.mark.parametrize(
    ("plan", "wrong"),
    [
        (lambda: Plan(5, deployments=1), r"Plan\.cells = 5, not tuple\[Cell, \.\.\.\]"),
        (lambda: Plan((None,), deployments=1), r"Plan\.cells = a tuple, not "),
        (lambda: Plan((CELL,), deployments="x"), r"Plan\.deployments = 'x', not int"),
        (lambda: Plan((replace(CELL, duration_s="x"),), deployments=1), r"Plan\.cells: Cell\.duration_s = 'x', not "),
        (lambda: Plan((replace(CELL, invocations=nan),), deployments=1), r"Plan\.cells: Cell\.invocations = nan, not"),
    ],
)
def test_fields_of_what_a_plugin_returns_are_looked_at(plan, wrong):
    with pytest.raises(PluginError, match=rf"^experiment 'mine' of my-dist 1.2: plan\(\) returned {wrong}"):
        call(by_name("experiments"), "plan", lambda *_arguments: plan())


@pytest.mark.parametrize(
    "factors",
    [
        {"calls": Strange()},
        {5: 1},
        {"rate": nan},
        {"platform": 5},
        {"memory_mib": "many"},
        {"language": "python"},
        {"parameters": {"a": {1}}},
    ],
)
def test_cell_whose_levels_nobody_could_store_is_not_made(factors):
    with pytest.raises(ValueError, match="cell"):
        Cell(factors, 1)


@pytest.mark.parametrize(
    "effective", [{"memory_mib": "x"}, {"timeout_s": nan}, {"architecture": 5}, {"own": Strange()}]
)
def test_deployment_that_nobody_could_store_is_the_plugins_fault(effective):
    config = FunctionConfig("name", memory_mib=128, timeout_s=1.0, architecture="x86_64")
    with pytest.raises(PluginError, match=rf"deploy\(\) failed: ValueError: .* {next(iter(effective))} = "):
        call(by_name("platforms"), "deploy", lambda *_arguments: Deployment("id", config, effective=effective))
