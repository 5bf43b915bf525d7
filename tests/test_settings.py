from __future__ import annotations

import importlib
import re
from dataclasses import dataclass, fields
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, get_type_hints

import pytest

from sebsx import settings, texts
from sebsx.errors import UnknownNameError, UserError
from sebsx.reading.services import Services
from sebsx.running.rounds import StoppingRule
from sebsx.settings import COMMAND_LINE, Layer, Section, SettingsReader, option_name, setting


class Colour(Enum):
    RED = "red"


@dataclass(frozen=True)
class Example:
    keep_alive_s: float = setting(600.0, help="idle time, in seconds", minimum=0)
    memory_mib: tuple[int, ...] = setting((256,), help="memory sizes", minimum=64, maximum=10240, option="memory")
    start: tuple[str, ...] = setting(("cold",), help="starts", choices=("cold", "warm"))
    port: int | None = setting(None, help="port")
    limits: bool = setting(True, help="whether to limit")
    key: str = setting("", help="a key", secret=True)
    folder: Path = setting(Path("x"), help="a folder")
    colour: Colour = setting(Colour.RED, help="a colour")
    labels: dict[str, str] = setting({}, help="labels")

    def __post_init__(self) -> None:
        if self.port == 1 and not self.limits:
            raise ValueError("port 1 needs limits")


LOCAL = Section("platform.local-box", Example)
CORE = Section("core", Example)


def read(*layers: Layer, section: Section = LOCAL) -> settings.Resolved[Example]:
    return SettingsReader(layers, [LOCAL, CORE]).read(section.name)


def one(key: str, value: object, source: str = "test") -> Layer:
    return Layer(source, {f"platform.local-box.{key}": value})


def test_defaults_hold_without_layers():
    resolved = read()
    assert resolved.value == Example()
    assert set(resolved.sources.values()) == {"default"}


def test_the_last_layer_wins_and_each_value_knows_its_origin():
    resolved = read(one("port", 1, "file"), one("limits", "no", "file"), one("port", "2", "--set"))
    assert (resolved.value.port, resolved.value.limits) == (2, False)
    assert resolved.sources["port"] == "--set"
    assert resolved.sources["limits"] == "file"
    assert resolved.sources["start"] == "default"


def test_file_environment_and_assignments_reach_the_same_field(tmp_path):
    path = tmp_path / "sebsx.toml"
    path.write_text('[platform.local-box]\nport = 7\nlabels = { a = "1" }\nmemory_mib = [128, 256]\n')
    environment = {"SEBSX_PLATFORM__LOCAL_BOX__PORT": "8", "PATH": "/bin"}
    layers = [
        settings.from_file(path),
        settings.match_environment(settings.from_environment(environment), [LOCAL, CORE]),
        settings.from_assignments(["keep_alive_s=1.5"], "--set", [LOCAL]),
    ]
    resolved = read(*layers)
    assert resolved.value.port == 8
    assert resolved.value.memory_mib == (128, 256)
    assert resolved.value.labels == {"a": "1"}
    assert resolved.value.keep_alive_s == 1.5
    assert resolved.sources["port"] == "environment"
    assert resolved.sources["memory_mib"] == str(path)
    assert resolved.sources["keep_alive_s"] == "--set"


def test_core_variables_have_no_section_in_their_name():
    layer = settings.match_environment(Layer("environment", {"SEBSX_PORT": "9", "SEBSX_OTHER_TOOL": "x"}), [CORE])
    assert layer.values == {"core.port": "9"}


def test_misspelt_variable_of_a_known_section_is_told():
    layer = settings.match_environment(Layer("environment", {"SEBSX_PLATFORM__LOCAL_BOX__PROT": "9"}), [LOCAL])
    assert SettingsReader([layer], [LOCAL]).unknown() == [
        ("platform.local-box.prot", "environment", "did you mean 'platform.local-box.port'?")
    ]


def test_unknown_keys_are_listed_with_origin_and_advice():
    layer = Layer("file", {"platform.local-box.prot": 1, "platform.local-bx.port": 1, "zzz.qqq": 1, "core.port": 1})
    assert SettingsReader([layer], [LOCAL, CORE]).unknown() == [
        ("platform.local-box.prot", "file", "did you mean 'platform.local-box.port'?"),
        ("platform.local-bx.port", "file", "did you mean 'platform.local-box'?"),
        ("zzz.qqq", "file", ""),
    ]


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("keep_alive_s", "2", 2.0),
        ("memory_mib", "128, 256", (128, 256)),
        ("memory_mib", 128, (128,)),
        ("start", "cold,warm", ("cold", "warm")),
        ("port", "none", None),
        ("port", "", None),
        ("port", "80", 80),
        ("port", 80.0, 80),
        ("limits", "OFF", False),
        ("limits", "1", True),
        ("folder", "a/b", Path("a/b")),
        ("colour", "red", Colour.RED),
        ("labels", "a=1,b=x=y", {"a": "1", "b": "x=y"}),
        ("labels", {"a": 1}, {"a": "1"}),
    ],
)
def test_text_becomes_the_type_of_the_field(key, text, value):
    assert getattr(read(one(key, text)).value, key) == value


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("keep_alive_s", "soon", "a number is wanted"),
        ("keep_alive_s", "nan", "a number is wanted"),
        ("keep_alive_s", "inf", "a number is wanted"),
        ("keep_alive_s", True, "a number is wanted"),
        ("keep_alive_s", [1], "a number is wanted"),
        ("keep_alive_s", "-1", "must be at least 0"),
        ("port", "1.5", "an integer is wanted"),
        ("port", 1.5, "an integer is wanted"),
        ("memory_mib", "128,63", "must be at least 64"),
        ("memory_mib", "128,10241", "must be at most 10240"),
        ("memory_mib", "128,", "an integer is wanted"),
        ("start", "warn", "must be one of cold, warm; did you mean 'warm'?"),
        ("limits", "maybe", "true or false is wanted"),
        ("limits", 1, "true or false is wanted"),
        ("colour", "blue", "'blue' is not a valid Colour"),
        ("labels", "a", "key=value pairs are wanted"),
        ("labels", 3, "key=value pairs are wanted"),
        ("key", 3, "a word is wanted"),
    ],
)
def test_value_that_does_not_fit_names_key_origin_and_what_is_wanted(key, value, message):
    with pytest.raises(UserError) as caught:
        read(one(key, value, "sebsx.toml"))
    assert str(caught.value).startswith(f"platform.local-box.{key} from sebsx.toml is ")
    assert message in str(caught.value)


def test_fields_that_contradict_each_other_name_the_section():
    with pytest.raises(UserError, match=r"settings of platform\.local-box: port 1 needs limits"):
        read(one("port", 1), one("limits", False))


def test_secret_is_neither_stored_nor_shown():
    value = read(one("key", "hunter2")).value
    assert value.key == "hunter2"
    assert "key" not in settings.public(value)
    assert "hunter2" not in str(settings.public(value))
    with pytest.raises(UserError) as caught:
        read(one("key", ["hunter2"]))
    assert "hunter2" not in str(caught.value)


def test_public_settings_are_json_able():
    assert settings.public(Example()) == {
        "keep_alive_s": 600.0,
        "memory_mib": [256],
        "start": ["cold"],
        "port": None,
        "limits": True,
        "folder": "x",
        "colour": "red",
        "labels": {},
    }


def test_public_settings_read_back_as_they_were():
    value = read(one("memory_mib", "128,256"), one("labels", "a=1")).value
    stored = Layer("stored", {f"{LOCAL.name}.{key}": item for key, item in settings.public(value).items()})
    assert read(stored).value == value


@pytest.mark.parametrize("word", ["port", "=1", "  =1"])
def test_assignment_without_key_or_value_is_refused(word):
    with pytest.raises(UserError, match="write KEY=VALUE"):
        settings.from_assignments([word], "--set", [LOCAL])


def test_short_key_that_fits_no_section_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match="setting 'prot' is not known; did you mean 'port'"):
        settings.from_assignments(["prot=1"], "--set", [LOCAL])


def test_short_key_that_fits_several_sections_names_them():
    with pytest.raises(UserError, match=r"write one of platform\.local-box\.port, core\.port"):
        settings.from_assignments(["port=1"], "--set", [LOCAL, CORE])


def test_short_key_that_several_platforms_have_goes_to_all_of_them():
    other = Section("platform.other", LOCAL.cls)
    layer = settings.from_assignments(["port=1"], "--set", [LOCAL, other])
    assert layer.values == {"platform.local-box.port": "1", "platform.other.port": "1"}


def test_value_of_an_assignment_may_hold_equals_signs():
    assert settings.from_assignments(["core.labels=a=1"], "--set", []).values == {"core.labels": "a=1"}


@pytest.mark.parametrize("text", ["port = ", "[a", "\xff"])
def test_file_that_is_no_toml_names_itself(tmp_path, text):
    path = tmp_path / "sebsx.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(UserError, match=r"settings file '.*sebsx\.toml' cannot be read"):
        settings.from_file(path)


@pytest.mark.parametrize("text", ["store = 5", "core = 5"])
def test_value_outside_all_tables_is_refused(tmp_path, text):
    path = tmp_path / "sebsx.toml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"'(store|core)' stands in no table; write it below \[core\]"):
        settings.from_file(path)


def test_every_count_has_an_upper_bound():
    for section in Services().sections:
        hints = get_type_hints(section.cls)
        for name, field in section.fields.items():
            if not texts.is_count(name, hints[name]) or field.metadata["choices"]:
                continue
            layer = settings.Layer("x", {f"{section.name}.{name}": "99999999999"})
            with pytest.raises(UserError, match=r"must be at most \d+"):
                settings.SettingsReader([layer], [section]).read(section.name)


def test_missing_file_names_itself(tmp_path):
    with pytest.raises(UserError, match=r"nowhere\.toml' cannot be read"):
        settings.from_file(tmp_path / "nowhere.toml")


def test_types_are_described_in_a_users_words():
    hints = get_type_hints(Example)
    words = {field.name: texts.describe(field, hints[field.name]) for field in fields(Example)}
    assert words == {
        "keep_alive_s": "TIME",
        "memory_mib": "INTEGER,...",
        "start": "cold|warm,...",
        "port": "INTEGER",
        "limits": "true|false",
        "key": "TEXT",
        "folder": "PATH",
        "colour": "COLOUR",
        "labels": "KEY=VALUE",
    }


def test_default_mapping_is_not_shared():
    first = Example()
    first.labels["a"] = "1"
    assert Example().labels == {}


@dataclass(frozen=True)
class Levels:
    options: dict[str, tuple[str, ...]] = setting({}, help="levels by name")


@pytest.mark.parametrize(
    "value",
    ["vcpu=0.5,1,package=zip", {"vcpu": [0.5, 1], "package": "zip"}, {"vcpu": "0.5, 1", "package": ["zip"]}],
)
def test_lists_by_key_are_read_from_text_and_from_toml(value: Any) -> None:
    reader = SettingsReader([Layer("test", {"core.options": value})], [Section("core", Levels)])
    assert reader.read("core").value.options == {"vcpu": ("0.5", "1"), "package": ("zip",)}


def test_list_without_a_key_is_refused() -> None:
    reader = SettingsReader([Layer("test", {"core.options": "1,vcpu=2"})], [Section("core", Levels)])
    with pytest.raises(UserError, match="write KEY=VALUE"):
        reader.read("core")


def test_table_of_the_core_is_a_value(tmp_path: Path) -> None:
    path = tmp_path / "sebsx.toml"
    path.write_text("[core]\noptions = {vcpu = [1, true]}\n[platform.local]\nkeep_alive_s = 1\n")
    layer = settings.from_file(path)
    assert layer.values == {"core.options": {"vcpu": [1, True]}, "platform.local.keep_alive_s": 1}
    assert SettingsReader([layer], [Section("core", Levels)]).read("core").value.options == {"vcpu": ("1", "true")}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("SEBSX_STOER", "SEBSX_STORE"),
        ("SEBSX_PLATFORM__LOCL__COUNT", "SEBSX_PLATFORM__LOCAL__COUNT"),
        ("SEBSX_PLATFORM_LOCAL__COUNT", "SEBSX_PLATFORM__LOCAL__COUNT"),
        ("SEBSX_STORE", None),
        ("SEBSX_PLATFORM__LOCAL__COUNT", None),
        ("SEBSX_PLATFORM__LOCAL__CONT", None),  # told as a setting of a known section
        ("SEBSX_STORAGE_ROOT", None),
        ("SEBSX_SOMETHING_ELSE", None),
    ],
)
def test_variable_that_is_nearly_a_setting_is_found(name, meant):
    @dataclass(frozen=True)
    class Core:
        store: str = setting("", help="a")

    @dataclass(frozen=True)
    class Local:
        count: int = setting(0, help="b")

    sections = [Section("core", Core), Section("platform.local", Local)]
    found = settings.misspelt_variables(settings.from_environment({name: "1"}), sections)
    assert found == ([(name, meant)] if meant else [])


@pytest.mark.parametrize(("value", "hint"), [(10**400, float), (float("inf"), int), ("1" * 400, float), (2.5, int)])
def test_number_that_is_none_of_its_kind_is_refused(value: object, hint: type[int | float]) -> None:
    with pytest.raises(ValueError, match="is wanted"):
        texts._parse_number(value, hint)


def test_integer_of_many_digits_is_an_integer() -> None:
    assert texts._parse_number(10**400, int) == 10**400


@dataclass(frozen=True)
class Quantities:
    """Settings whose names end in a unit."""

    timeout_s: float = setting(1.0, help="a time")
    memory_mib: tuple[int, ...] = setting((), help="sizes")
    name: str = setting("", help="a word")


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("timeout_s", "30", 30.0),
        ("timeout_s", "30s", 30.0),
        ("timeout_s", "500ms", 0.5),
        ("timeout_s", "2 min", 120.0),
        ("memory_mib", "256", (256,)),
        ("memory_mib", "256MB", (256,)),
        ("memory_mib", "256MiB,1GB", (256, 1024)),
        ("memory_mib", "0.5GB", (512,)),
        ("name", "30s", "30s"),
    ],
)
def test_number_may_have_its_unit(key: str, text: str, value: object) -> None:
    section = Section("quantities", Quantities)
    layer = settings.from_assignments([f"quantities.{key}={text}"], "--set", [section])
    assert getattr(SettingsReader([layer], [section]).read("quantities").value, key) == value


@pytest.mark.parametrize(("text", "words"), [("256XB", "256MB or 1GB"), ("0.3MB", "an integer is wanted")])
def test_unit_that_is_none_is_refused_with_an_example(text: str, words: str) -> None:
    section = Section("quantities", Quantities)
    layer = settings.from_assignments([f"quantities.memory_mib={text}"], "--set", [section])
    with pytest.raises(UserError) as caught:
        SettingsReader([layer], [section]).read("quantities")
    assert words in str(caught.value)


@dataclass(frozen=True)
class Timed:
    """Settings of which some depend on others."""

    wait_s: float = setting(1.0, help="less than `max_time_s`")
    max_time_s: float = setting(60.0, help="limit")
    kept_share: float = setting(0.5, help="what is kept", share=True)

    def __post_init__(self) -> None:
        if self.wait_s > self.max_time_s:
            raise ValueError("`wait_s` must be at most `max_time_s`")


def timed(source: str, **values: Any) -> Any:
    layer = Layer(source, {f"experiment.timed.{name}": value for name, value in values.items()})
    return SettingsReader([layer], [Section("experiment.timed", Timed)]).read("experiment.timed").value


def test_option_of_a_time_takes_any_unit_and_names_none():
    assert [option_name(field) for field in fields(Timed)] == ["--wait", "--max-time-s", "--kept-share"]
    assert timed(COMMAND_LINE, wait_s="500ms", kept_share="5%") == Timed(wait_s=0.5, kept_share=0.05)


def test_settings_that_contradict_each_other_are_named_as_they_were_given():
    with pytest.raises(UserError, match=r"^--wait must be at most --max-time-s$"):
        timed(COMMAND_LINE, wait_s="2m")
    with pytest.raises(UserError, match=r"^settings of experiment.timed: wait_s must be at most max_time_s$"):
        timed("sebsx.toml", wait_s="2m")


@pytest.mark.slow
def test_every_setting_of_a_plugin_is_read_somewhere(sebsx_registry):
    shared = words("sebsx.clouds") | words("sebsx.sandboxes") | words("sebsx.running.contexts")
    rule = {field.name for field in fields(StoppingRule)}
    unread = set()
    for kind in sebsx_registry.kinds.values():
        for cls in sebsx_registry.of(kind.name).values() if kind.has_settings else ():
            known = words(cls.__module__.partition(".")[0]) | shared
            if "StoppingRule" not in known:  # the settings are handed on as one
                known |= rule
            unread |= {f"{kind.section(cls.name)}.{field.name}" for field in fields(cls.Settings)} - {
                f"{kind.section(cls.name)}.{name}" for name in known
            }
    assert not unread


@cache
def words(module):
    """Return the attributes that a module, or a package, reads, the names in quotes, and what it calls."""
    path = Path(importlib.import_module(module).__file__)
    files = path.parent.rglob("*.py") if path.name == "__init__.py" else [path]
    text = "".join(file.read_text() for file in files)
    return set(re.findall(r'[."]([a-z]\w*)', text)) | set(re.findall(r"(\w+)\(", text))
