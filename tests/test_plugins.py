from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from typing import TYPE_CHECKING, Any

import pytest

from sebsx import plugins
from sebsx.contracts.kinds import PluginKind
from sebsx.errors import PluginError, UnknownNameError
from sebsx.plugins import checking
from sebsx.plugins import registry as registry_module
from tests import forked
from tests.support import Said

if TYPE_CHECKING:
    from pathlib import Path

REPORT = """
import json, logging, sys
logging.basicConfig(format="%(levelname)s %(message)s")
from sebsx import plugins
only = json.loads(sys.argv[1])
registry = plugins.load(only)
kinds = ("platforms", "benchmarks", "experiments", "analyzers", "exporters", "collectors", "languages", "metrics")
found = {kind: sorted(getattr(registry, kind)) for kind in kinds}
errors = {}
for kind, name in json.loads(sys.argv[2]):
    try:
        registry.get(kind, name)
    except Exception as exc:
        errors[name] = f"{type(exc).__name__}: {exc}"
print(json.dumps({"found": found, "errors": errors, "plugins": {
    plugin.name: [plugin.distribution, plugin.version, plugin.error] for plugin in registry.plugins}}))
"""

HEAD = """
from sebsx.contracts.hookspecs import hookimpl
from sebsx.contracts.collectors import Collector
from sebsx.model.metrics import Metric
def collector(name, *metrics):
    body = {"name": name, "summary": "s", "metrics": metrics, "source": lambda self, language: None}
    return type(name, (Collector,), body)
"""


class Site:
    """A folder of distributions as pip would leave them, seen by a process of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def install(
        self, distribution: str, source: str, *, name: str = "", head: str = HEAD, requires: tuple[str, ...] = ()
    ) -> None:
        """Install a distribution with one module and one entry point."""
        module = distribution.replace("-", "_")
        (self.root / f"{module}.py").write_text(head + textwrap.dedent(source))
        information = self.root / f"{module}-1.2.dist-info"
        information.mkdir()
        lines = ["Metadata-Version: 2.1", f"Name: {distribution}", "Version: 1.2"]
        lines += [f"Requires-Dist: {requirement}" for requirement in requires]
        (information / "METADATA").write_text("\n".join(lines) + "\n")
        (information / "entry_points.txt").write_text(f"[sebsx]\n{name or distribution} = {module}\n")

    def try_to_run(self, code: str, *arguments: str) -> Said:
        """Run code in a process that sees these distributions and sebsx."""
        script = f"import sys; sys.path.insert(0, {str(self.root)!r})\n" + textwrap.dedent(code)
        return Said(*forked.python(script, *arguments))

    def run(self, code: str, *arguments: str) -> Said:
        """Run code that ends well in a process that sees these distributions and sebsx."""
        said = self.try_to_run(code, *arguments)
        assert said.code == 0, said.stderr
        return said

    def load(self, *only: str, get: list[tuple[str, str]] | None = None) -> dict[str, Any]:
        """Return what a process finds when it loads only these plugins."""
        done = self.run(REPORT, json.dumps(list(only)), json.dumps(get or []))
        return {**json.loads(done.stdout), "log": done.stderr}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "site").mkdir()
    site = Site(tmp_path / "site")
    site.install(
        "good",
        """
        @hookimpl
        def sebsx_register_collectors():
            return [collector("good-one", Metric("good-one.a_s", "s"))]
        """,
    )
    return site


def test_third_party_plugin_is_found_by_its_entry_point(site):
    report = site.load("good")
    assert report["found"]["collectors"] == ["good-one"]
    assert report["plugins"] == {"good": ["good", "1.2", None]}


def test_module_that_raises_at_import_spoils_only_itself(site):
    site.install("bad", "1 / 0")
    report = site.load("good", "bad")
    assert report["found"]["collectors"] == ["good-one"]
    assert report["plugins"]["bad"] == ["bad", "1.2", "ZeroDivisionError: division by zero"]
    assert "WARNING plugin 'bad' of bad is broken: ZeroDivisionError" in report["log"]


def test_module_that_exits_at_import_spoils_only_itself(site):
    site.install("bad", "raise SystemExit(3)")
    report = site.load("good", "bad")
    assert report["found"]["collectors"] == ["good-one"]
    assert report["plugins"]["bad"][2] == "SystemExit: 3"


def test_missing_module_spoils_only_itself(site):
    site.install("bad", "")
    (site.root / "bad.py").unlink()
    report = site.load("good", "bad")
    assert report["found"]["collectors"] == ["good-one"]
    assert report["plugins"]["bad"][2] == "ModuleNotFoundError: No module named 'bad'"


def test_hook_that_raises_spoils_only_itself(site):
    site.install(
        "bad",
        """
        @hookimpl
        def sebsx_register_collectors():
            raise OSError("no such folder")
        """,
    )
    report = site.load("good", "bad")
    assert report["found"]["collectors"] == ["good-one"]
    assert report["plugins"]["bad"][2] == "collectors: OSError: no such folder (bad.py:11)"


def test_unknown_hook_is_named(site):
    site.install(
        "bad",
        """
        @hookimpl
        def sebsx_register_plattforms():
            return []
        """,
    )
    report = site.load("good", "bad")
    assert "sebsx_register_plattforms" in report["plugins"]["bad"][2]
    assert report["plugins"]["good"][2] is None


def test_hook_with_an_unknown_argument_is_named(site):
    site.install(
        "bad",
        """
        @hookimpl
        def sebsx_register_platforms(region):
            return []
        """,
    )
    report = site.load("good", "bad")
    assert "region" in report["plugins"]["bad"][2]
    assert report["plugins"]["good"][2] is None


@pytest.mark.parametrize(
    "returned", ["'text'", "[object]", "{'a': 1}", "[collector('x')()]", "[type('P', (), {'name': 'p'})]"]
)
def test_hook_that_returns_the_wrong_thing_is_broken(site, returned):
    site.install(
        "bad",
        f"""
        @hookimpl
        def sebsx_register_collectors():
            return {returned}
        """,
    )
    report = site.load("good", "bad")
    assert report["found"]["collectors"] == ["good-one"]
    assert report["plugins"]["bad"][2].startswith("collectors: PluginError: ")
    assert "Collector" in report["plugins"]["bad"][2]


def test_hook_that_returns_no_sequence_is_broken(site):
    site.install(
        "bad",
        """
        @hookimpl
        def sebsx_register_collectors():
            return 3
        """,
    )
    assert site.load("good", "bad")["plugins"]["bad"][2].startswith(
        "collectors: TypeError: 'int' object is not iterable"
    )


def test_class_that_lacks_a_method_is_told_which(site):
    site.install(
        "bad",
        """
        class Half(Collector):
            name = "half"
        @hookimpl
        def sebsx_register_collectors():
            return [Half]
        """,
    )
    assert site.load("bad")["plugins"]["bad"][2] == "collectors: PluginError: Collector 'Half' lacks source"


def test_class_of_another_kind_is_broken(site):
    site.install(
        "bad",
        """
        @hookimpl
        def sebsx_register_exporters():
            return [collector("x")]
        """,
    )
    report = site.load("bad")
    assert report["found"]["exporters"] == []
    assert "Exporter" in report["plugins"]["bad"][2]


def test_hook_that_returns_nothing_registers_nothing(site):
    site.install(
        "quiet",
        """
        @hookimpl
        def sebsx_register_collectors():
            return None
        """,
    )
    report = site.load("good", "quiet")
    assert report["plugins"]["quiet"][2] is None


def test_second_plugin_of_a_name_is_told_who_has_it(site):
    site.install(
        "zz-late",
        """
        @hookimpl
        def sebsx_register_collectors():
            return [collector("other"), collector("good-one")]
        """,
    )
    report = site.load("good", "zz-late")
    assert report["plugins"]["good"][2] is None
    assert "'good-one' is registered by 'good' already" in report["plugins"]["zz-late"][2]
    assert report["found"]["collectors"] == ["good-one", "other"]


def test_two_distributions_with_one_entry_point_name_are_both_listed(site):
    site.install("other-dist", "", name="good")
    done = site.run(
        """
        from sebsx import plugins
        registry = plugins.load(["good"])
        registry.collectors
        print([(plugin.distribution, bool(plugin.error)) for plugin in registry.plugins], list(registry.collectors))
        """
    )
    assert done.stdout.strip() == "[('good', False), ('other-dist', True)] ['good-one']"


@pytest.mark.slow
def test_broken_manifest_marks_its_plugin_and_keeps_the_other_benchmarks(site, tmp_path):
    for name, text in (("fine", 'name = "fine"\nversion = "1"\nsummary = "s"\n'), ("wrong", 'name = "wrong"\n')):
        (tmp_path / "pack" / name).mkdir(parents=True)
        (tmp_path / "pack" / name / "benchmark.toml").write_text(text)
    site.install(
        "pack",
        f"""
        from pathlib import Path
        @hookimpl
        def sebsx_register_benchmarks():
            return [Path({str(tmp_path / "pack")!r})]
        """,
    )
    report = site.load("pack", "good")
    assert report["found"]["benchmarks"] == ["fine"]
    assert "benchmark.toml' needs 'version'" in report["plugins"]["pack"][2]
    assert report["found"]["collectors"] == ["good-one"]


def test_benchmark_folder_that_is_missing_is_told(site, tmp_path):
    site.install(
        "pack",
        f"""
        from pathlib import Path
        @hookimpl
        def sebsx_register_benchmarks():
            return [Path({str(tmp_path / "nowhere")!r})]
        """,
    )
    assert "nowhere" in site.load("pack")["plugins"]["pack"][2]


def test_unknown_name_suggests_the_nearest(site):
    report = site.load("good", get=[("collectors", "good-on")])
    assert report["errors"]["good-on"] == (
        "UnknownNameError: collector 'good-on' is not known; did you mean 'good-one'? (sebsx list collectors)"
    )


def test_name_of_a_broken_plugin_says_so(site):
    site.install("bad", "1 / 0")
    report = site.load("bad", get=[("platforms", "bad")])
    assert report["errors"]["bad"].startswith("PluginError: plugin 'bad' of bad is broken: ZeroDivisionError")


def test_only_the_wanted_plugins_are_imported(site):
    site.install("loud", "print('imported')")
    done = site.run("from sebsx import plugins; plugins.load(['good'])")
    assert done.stdout == ""


def test_what_is_installed_while_the_process_runs_is_found(site):
    done = site.run(
        f"""
        import os, pathlib
        from sebsx import plugins
        root = pathlib.Path({str(site.root)!r})
        (root / "later-1.0.dist-info").mkdir()
        os.utime(root, ns=(1, 1))
        before = list(plugins.load(["good"]).plugins)
        (root / "later-1.0.dist-info").rename(root / "later-1.1.dist-info")
        (root / "later-1.1.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\\nName: later\\nVersion: 1.1\\n")
        (root / "later-1.1.dist-info" / "entry_points.txt").write_text("[sebsx]\\nlater = good\\n")
        print([plugin.name for plugin in before], [plugin.name for plugin in plugins.load(["good", "later"]).plugins])
        """
    )
    assert done.stdout.strip() == "['good'] ['good', 'later']"


def test_wanting_a_plugin_that_is_not_installed_suggests_the_nearest():
    with pytest.raises(UnknownNameError, match="plugin 'pyton' is not known; did you mean 'python'"):
        plugins.load(["pyton"])


def test_metrics_are_those_of_core_collectors_and_hooks(site):
    site.install(
        "figures",
        """
        @hookimpl
        def sebsx_register_metrics():
            return [Metric("figures.b_bytes", "bytes")]
        """,
    )
    metrics = site.load("good", "figures")["found"]["metrics"]
    assert {"client.latency_s", "good-one.a_s", "figures.b_bytes"} <= set(metrics)


def test_listener_that_fails_does_not_silence_the_others(site):
    listener = """
        @hookimpl
        def sebsx_run_started(run):
            print("{name} heard", run)
            {action}
        """
    site.install("first", listener.format(name="first", action="1 / 0"))
    site.install("second", listener.format(name="second", action="pass"))
    done = site.run(
        """
        import logging
        logging.basicConfig()
        from sebsx import plugins
        plugins.load(["first", "second"]).notify("sebsx_run_started", run="R1")
        """
    )
    assert done.stdout.splitlines() == ["first heard R1", "second heard R1"]
    assert "plugin 'first' of first 1.2 failed in sebsx_run_started" in done.stderr
    assert "ZeroDivisionError" in done.stderr


def test_listener_may_leave_arguments_out(site):
    site.install(
        "short",
        """
        @hookimpl
        def sebsx_invocations_stored(run):
            print(run)
        """,
    )
    done = site.run(
        """
        from sebsx import plugins
        plugins.load(["short"]).notify("sebsx_invocations_stored", run="R1", deployment=None, invocations=[])
        """
    )
    assert done.stdout == "R1\n"


def test_facts_of_plugins_are_gathered_and_a_failing_one_is_left_out(site):
    site.install(
        "facts",
        """
        @hookimpl
        def sebsx_environment_facts():
            return {"rack": 7}
        """,
    )
    site.install(
        "bad",
        """
        @hookimpl
        def sebsx_environment_facts():
            raise OSError
        """,
    )
    done = site.run("from sebsx import plugins; print(plugins.load(['facts', 'bad']).facts())")
    assert done.stdout.strip() == "{'rack': 7}"


@pytest.mark.parametrize(
    ("code", "heavy"),
    [
        (
            "from sebsx import plugins; plugins.load()",
            {"sqlalchemy", "sebsx_python.language", "sebsx.store", "numpy", "pytest"},
        ),
        (
            "from sebsx import plugins; plugins.load().get('languages', 'python')",
            {"packaging.specifiers", "multiprocessing", "sqlalchemy", "numpy"},
        ),
        (
            "import sebsx.sandboxes.__main__",
            {"http.client", "email", "urllib.request", "sqlalchemy", "sebsx.model.untrusted"},
        ),
    ],
)
def test_neither_loading_nor_a_gateway_imports_what_it_does_not_need(code, heavy):
    script = f"{code}; import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert set(done.stdout.split()) & heavy == set()


def test_plugin_of_a_later_level_is_told_what_to_do(site):
    site.install("late", "sebsx_api = 2")
    site.install("odd", "sebsx_api = 'one'")
    plugins_found = site.load("good", "late", "odd")["plugins"]
    assert "written for sebsx_api = 2 and this sebsx has 1; install a newer sebsx" in plugins_found["late"][2]
    assert "sebsx_api = 'one' is not a level" in plugins_found["odd"][2]


PROBE = """
    import json
    from sebsx import plugins
    registry = plugins.load(sys.argv[1:])
    print(json.dumps({plugin.name: [plugin.error, list(plugin.doubts)] for plugin in registry.probed()}))
"""


def test_requirement_that_is_not_met_is_told(site):
    wanted = ("sebsx>=99", "no-such-package>=1", "pluggy", "other; python_version < '3'", "more; extra == 'x'", "?!")
    site.install("picky", "", requires=wanted)
    error, doubts = json.loads(site.run(PROBE, "picky").stdout)["picky"]
    assert error is None
    assert doubts == [
        "requires sebsx>=99; 0.1.0 is installed",
        "requires no-such-package>=1, which is not installed",
        "requirement '?!' cannot be read",
    ]


@pytest.mark.slow
def test_metric_in_another_unit_is_refused_and_its_owner_keeps_it(site):
    site.install(
        "thief",
        """
        @hookimpl
        def sebsx_register_metrics():
            mine = Metric("client.latency_s", "s", meaning="mine")
            return [Metric("good-one.a_s", "ms"), mine, Metric("thief.a", "1")]
        """,
    )
    error, _ = json.loads(site.run(PROBE, "good", "thief").stdout)["thief"]
    assert "'good-one.a_s' belongs to 'good' and is in 's', not 'ms'" in error
    assert "'client.latency_s' belongs to 'sebsx'" in error
    report = site.load("good", "thief")
    assert "thief.a" in report["found"]["metrics"]


@pytest.mark.slow
def test_collector_without_metrics_spoils_only_itself(site):
    site.install(
        "bad",
        """
        class Bad(Collector):
            name, summary, metrics = "bad", "s", None
            def source(self, language):
                return None
        @hookimpl
        def sebsx_register_collectors():
            return [Bad, collector("fine")]
        """,
    )
    report = site.load("good", "bad", get=[("collectors", "bad")])
    assert report["found"]["collectors"] == ["fine", "good-one"]
    assert "good-one.a_s" in report["found"]["metrics"]
    assert report["errors"]["bad"].startswith("PluginError: collector 'bad' of bad 1.2 is broken: Collector 'Bad' has")


@pytest.mark.slow
def test_command_of_core_cannot_be_taken(site):
    site.install(
        "grabber",
        """
        from sebsx.contracts.commands import Command
        def command(name, words=""):
            body = {"name": name, "summary": "s", "words": words, "run": lambda self, services, settings: 1 / 0}
            return type(name, (Command,), body)
        @hookimpl
        def sebsx_register_commands():
            return [command("runs"), command("deep", "run deep"), command("breaks"), command("again", "breaks")]
        """,
    )
    code = "from sebsx.cli import main; main(sys.argv[1:])"
    done = site.run(code, "--plugins", "grabber", "list", "commands", "--json")
    assert [entry["name"] for entry in json.loads(done.stdout)] == ["breaks", "deep", "runs"]
    failed = site.try_to_run(code, "breaks")
    assert failed.code == 3
    assert "command 'breaks' of grabber 1.2: run() failed: ZeroDivisionError: division by zero" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert "command 'runs' is left out: 'runs' is a command of sebsx already" in failed.stderr


def test_facts_that_are_no_json_are_left_out_and_none_replaces_what_core_knows(site):
    site.install(
        "facts",
        """
        @hookimpl
        def sebsx_environment_facts():
            return {"sebsx": "9.9", "rack": 7}
        """,
    )
    site.install(
        "bad",
        """
        @hookimpl
        def sebsx_environment_facts():
            return {"thing": object()}
        """,
    )
    done = site.run(
        """
        import sebsx
        from sebsx import plugins
        from sebsx.running import environment
        found = environment.gather(plugins.load(["facts", "bad"]))
        print(found["rack"], found["sebsx"] == sebsx.__version__, "thing" in found)
        """
    )
    assert done.stdout.strip() == "7 True False"


OVENS = """
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar
from sebsx.contracts.hookspecs import hookimpl
from sebsx.contracts.kinds import PluginKind
from sebsx.settings import setting
@dataclass(frozen=True)
class OvenSettings:
    heat: int = setting(200, help="degrees")
class Oven(ABC):
    name: ClassVar[str]
    summary: ClassVar[str]
    Settings: ClassVar[type] = OvenSettings
    @abstractmethod
    def bake(self, dough: str) -> str: ...
"""
BAKERY = """
@hookimpl
def sebsx_register_kinds():
    return [PluginKind(name="oven-makers", title="what bakes", base="bakery:Oven", has_settings=True)]
"""
BAKER = """
from bakery import Oven
from sebsx.contracts.hookspecs import hookimpl
class Stone(Oven):
    name = "stone"
    summary = "bakes on stone"
    def bake(self, dough):
        return dough.upper() if dough else None
@hookimpl
def sebsx_register_oven_makers():
    return [Stone]
"""
BAKE = """
import json
from sebsx import plugins
from sebsx.errors import PluginError
registry = plugins.load()
oven = registry.get("oven-makers", "stone")()
try:
    oven.bake("")
except PluginError as exc:
    wrong = str(exc)
kinds = [name for name in registry.kinds if "oven" in name]
sections = [section.name for section in registry.sections() if "oven" in section.name]
print(json.dumps([oven.bake("rye"), wrong, kinds, sections]))
"""


def test_plugin_adds_a_kind_that_others_bring_things_of(site):
    site.install("a-baker", BAKER, head="")  # found before the plugin that has the kind
    site.install("bakery", BAKERY, head=OVENS)
    baked, wrong, kinds, sections = json.loads(site.run(BAKE).stdout)
    assert (baked, kinds, sections) == ("RYE", ["oven-makers"], ["oven-maker.stone"])
    assert wrong == "oven-maker 'stone' of a-baker 1.2: bake() returned None, not str"
    listed = json.loads(site.run("from sebsx.cli import main; main()", "--json", "list", "oven-makers").stdout)
    assert [(item["name"], item["plugin"]) for item in listed] == [("stone", "a-baker")]


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("sebsx_register_oven_makers():\n    return [1]", "unknown hook 'sebsx_register_oven_makers'"),
        ("sebsx_register_colectors():\n    return []", "did you mean 'sebsx_register_collectors'?"),
        ("sebsx_register_kinds():\n    return [PluginKind(name='oven', title='t', base='a:B')]", "is not a plural"),
        ("sebsx_register_kinds():\n    return [PluginKind(name='ovens', title='', base='a:B')]", "needs a title"),
        (
            "sebsx_register_kinds():\n    return [PluginKind(name='ovens', title='t', base='B')]",
            "'package.module:Class'",
        ),
        ("sebsx_register_kinds():\n    return [PluginKind(name='platforms', title='t', base='a:B')]", "already"),
    ],
)
def test_wrong_kind_or_hook_of_none_spoils_only_its_plugin(site, source, told):
    site.install("bad", f"from sebsx.contracts.kinds import PluginKind\n@hookimpl\ndef {source}\n")
    report = site.load("good", "bad")
    assert report["found"]["collectors"] == ["good-one"]
    assert told in report["plugins"]["bad"][2]


def test_hook_of_an_added_kind_that_takes_what_nobody_gives_spoils_only_its_plugin(site):
    site.install("a-baker", BAKER.replace("oven_makers()", "oven_makers(heat)"), head="")
    site.install("bakery", BAKERY, head=OVENS)
    report = site.load("good", "bakery", "a-baker")
    assert "heat" in report["plugins"]["a-baker"][2]
    assert report["plugins"]["bakery"][2] is None


class Oven:
    """A contract without settings."""

    name = "oven"
    summary = "bakes"


class Ending(type):
    """A metaclass that ends the process of whoever asks for a name."""

    @property
    def name(cls):
        raise SystemExit(3)


@pytest.mark.parametrize(
    ("base", "more", "told"),
    [
        (f"{__name__}:Oven", {"has_settings": True}, "has Settings that are not a dataclass: None"),
        (f"{__name__}:BAKER", {}, "which is not a class"),
    ],
)
def test_kind_whose_base_is_none_or_lacks_settings_is_told_where_something_is_brought(base, more, told):
    kind = PluginKind(name="ovens", title="bake", base=base, **more)
    with pytest.raises(PluginError, match=told):
        checking.check_class(type("Stone", (Oven,), {}), kind, checking.Register(lambda: ()))


def test_kind_without_a_singular_and_a_name_that_ends_the_process_are_told():
    with pytest.raises(PluginError, match="is not a plural"):
        checking.check_kind(PluginKind(name="s", title="t", base="a:B"))
    assert registry_module._name_of(Ending("Stone", (), {})) is None
