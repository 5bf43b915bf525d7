"""A plugin with one of every kind, as written for level 1. It is never changed: later versions of sebsx must run it."""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from sebsx.contracts.hookspecs import hookimpl

sebsx_api = 1


@hookimpl
def sebsx_register_capabilities():
    from sebsx.model import Capability

    return [Capability("level-1-snapshots", "sandboxes can be restored from a snapshot that is named")]


@hookimpl
def sebsx_register_platforms():
    from sebsx.contracts.platforms import Platform
    from sebsx.model import Capability, Deployment, Target
    from sebsx.settings import setting

    @dataclass(frozen=True)
    class Settings:
        region: str = setting("here", help="where functions run")

    class Level1Platform(Platform):
        name = "level-1-platform"
        summary = "runs nothing"
        Settings = None
        capabilities = frozenset({Capability("level-1-snapshots")})

        def target(self, language, architecture):
            return Target(language, "3.12", architecture=architecture)

        def deploy(self, package, config):
            return Deployment(config.name, config, effective={"memory_mib": config.memory_mib})

        def teardown(self, deployment):
            return None

    Level1Platform.Settings = Settings
    return [Level1Platform]


@hookimpl
def sebsx_register_experiments():
    from sebsx.contracts.experiments import Experiment
    from sebsx.model import Cell, Plan

    class Level1Experiment(Experiment):
        name = "level-1-experiment"
        summary = "calls a function once"
        subject = "level-1"
        analyzer = "level-1-analyzer"

        def plan(self, scene, settings):
            cells = [Cell({"platform": name, "benchmark": "sleep"}, 1) for name in scene.platforms]
            return Plan(tuple(cells), deployments=len(cells))

        def run(self, session, settings):
            return None

    return [Level1Experiment]


@hookimpl
def sebsx_register_analyzers():
    from sebsx.contracts.analyzers import Analyzer, Column, Figure, Report, Table

    class Level1Analyzer(Analyzer):
        name = "level-1-analyzer"
        summary = "counts runs"

        def analyze(self, runs, settings):
            table = Table("runs", columns=[Column("runs", "runs", unit="count")], rows=[{"runs": len(runs)}])
            x, y = Column("x", "x"), Column("y", "y")
            figure = Figure(
                "violin", "violin", title="of nothing", x=x, y=y, series={"a": [(0.0, 1.0)]}, drawn_as="scatter"
            )
            return Report("level 1", tables=[table], figures=[figure])

    return [Level1Analyzer]


@hookimpl
def sebsx_register_exporters():
    from sebsx.contracts.exporters import EVERYTHING, Exporter, replacing

    class Level1Exporter(Exporter):
        name = "level-1-exporter"
        summary = "writes how many runs there are"
        suffix = ".count"

        def export(self, runs, destination, selection=EVERYTHING):
            with replacing(destination) as part:
                part.write_text(str(len(runs)))
            return [destination]

    return [Level1Exporter]


@hookimpl
def sebsx_register_collectors():
    from sebsx.contracts.collectors import Collector
    from sebsx.model.metrics import Metric

    class Level1Collector(Collector):
        name = "level-1-collector"
        summary = "measures nothing; no overhead"
        metrics = (Metric("level-1-collector.overhead_s", "s", meaning="its own time"),)

        def source(self, language):
            return None

    return [Level1Collector]


@hookimpl
def sebsx_register_pricelists():
    from sebsx.contracts.pricelists import Pricelist

    class Level1Pricelist(Pricelist):
        name = "level-1-pricelist"
        summary = "has no books"

        def books(self) -> list[Path]:
            return []

    return [Level1Pricelist]


@hookimpl
def sebsx_register_channels():
    from sebsx.contracts.channels import Channel

    class Level1Channel(Channel):
        name = "level-1-channel"
        summary = "sends nothing"
        message_bytes = 1

        def source(self, language):
            return None

    return [Level1Channel]


@hookimpl
def sebsx_register_metrics():
    from sebsx.model.metrics import Metric

    return [Metric("level-1.figure_s", "s", meaning="a time")]


@hookimpl
def sebsx_register_commands():
    from sebsx.contracts.commands import Command
    from sebsx.settings import setting

    @dataclass(frozen=True)
    class Settings:
        whom: str = setting("nobody", help="who is greeted", positional="NAME")

    class Level1Command(Command):
        name = "level-1-greet"
        summary = "greets somebody"
        words = "level-1 greet"

        def run(self, services, settings):
            known = services.registry.get("exporters", "level-1-exporter").name
            services.output.result({"greeted": settings.whom, "known": known}, text=f"hello {settings.whom}")

    Level1Command.Settings = Settings
    return [Level1Command]


class Level1Thing(ABC):
    """What others may bring to this plugin."""

    name: ClassVar[str]
    summary: ClassVar[str]


@hookimpl
def sebsx_register_kinds():
    from sebsx.contracts.kinds import PluginKind

    return [PluginKind(name="level-1-things", title="what others bring", base=f"{__name__}:Level1Thing")]


@hookimpl
def sebsx_environment_facts():
    return {"level-1": True}


@hookimpl
def sebsx_run_started(run):
    return None


@hookimpl
def sebsx_invocations_stored(invocations):
    return None


@hookimpl
def sebsx_run_finished(run):
    return None
