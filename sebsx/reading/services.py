"""What sebsx does, for whoever asks: the command line, a command of a plugin, a notebook, a web page.

One object holds what they share: plugins, settings and the store, each made when it is first needed.
"""

from __future__ import annotations

import logging
import os
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.errors import PlatformError, PluginError, UserError
from sebsx.settings import (
    FILE_NAME,
    Layer,
    Section,
    SettingsReader,
    from_assignments,
    from_environment,
    from_file,
    match_environment,
    misspelt_variables,
    setting,
)
from sebsx.system.folders import config_folder, store_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sebsx.contracts.analyzers import Report, Table
    from sebsx.contracts.commands import Output
    from sebsx.contracts.experiments import Experiment
    from sebsx.contracts.observers import Observer
    from sebsx.contracts.runs import RunView
    from sebsx.model import Cell, Plan, Run
    from sebsx.plugins import Registry
    from sebsx.running.limits import Limits
    from sebsx.running.orchestrator import RunSpec
    from sebsx.store import Store
    from sebsx.store.index import RunIndex

logger = logging.getLogger(__name__)

CORE = "core"
_ASKED = frozenset(
    {"platforms", "collectors", "options", "campaign", "seed", "budget_usd", "max_invocations", "max_time_s", "resume"}
)


@dataclass(frozen=True)
class CoreSettings:
    """Settings of sebsx itself."""

    store: str | None = setting(None, help="where results are: an SQLite file or a URL", secret=True)
    platform: tuple[str, ...] = setting((), help="platforms to run on; default: the one that needs no account")
    collectors: tuple[str, ...] = setting(
        (), help="collectors in functions; default: those that are on by default", option="--collect"
    )
    options: dict[str, tuple[str, ...]] = setting(
        {}, help="options of functions, each value a level to measure (sebsx list options)", option="--option"
    )
    campaign: str = setting("", help="free label that groups runs")
    fail_if: tuple[str, ...] = setting(
        (),
        help="thresholds that end `run` and `analyze` with exit code 1, such as p95>300ms,errors>1%",
        option="--fail-if",
    )


class QuietOutput:
    """Logs what may be wrong and shows nothing: for programs, which read what is returned."""

    def result(self, document: Any, *tables: Table, text: str = "") -> None:
        """Do nothing."""

    def report(self, report: Report) -> None:
        """Do nothing."""

    def note(self, text: str) -> None:
        """Log it."""
        logger.info("%s", text)

    def warning(self, text: str) -> None:
        """Log it."""
        logger.warning("%s", text)


class QuietObserver:
    """Logs what a session is doing."""

    def step(self, text: str) -> None:
        """Log it."""
        logger.info("%s", text)

    def planned(self, plan: Plan) -> None:
        """Log how much there is to do."""
        logger.info("%d cells", len(plan.cells))

    def progressed(self, cell: Cell, done: int, failed: int) -> None:
        """Log it."""
        logger.info("cell %s: %d measured, %d failed", cell.hash[:8], done, failed)

    def warned(self, text: str) -> None:
        """Log it."""
        logger.warning("%s", text)


@dataclass(kw_only=True)
class Services:
    """Plugins, settings and store, and what is done with them.

    Args:
        store_option: Where results are, stronger than environment and files; None for what those say.
        plugin_names: Plugins to load; None for all.
        output: Where results and warnings are shown.
    """

    store_option: str | None = None
    plugin_names: list[str] | None = None
    output: Output = field(default_factory=QuietOutput)

    core_section: ClassVar[Section] = Section(CORE, CoreSettings)

    @cached_property
    def registry(self) -> Registry:
        """The plugins."""
        from sebsx import plugins  # only when needed

        return plugins.load(self.plugin_names)

    @cached_property
    def sections(self) -> list[Section]:
        """Every section of settings there is."""
        return [self.core_section, *self.registry.sections()]

    @cached_property
    def files(self) -> list[Path]:
        """The settings files that are read, weakest first: the user's, then the project's."""
        own = config_folder()
        found = [*([] if own is None else [own / FILE_NAME]), Path(FILE_NAME)]
        return [path for path in found if path.is_file()]

    def reader(
        self,
        assignments: Sequence[str] = (),
        in_play: Sequence[str] = (),
        *strongest: Layer,
        implied: Layer | None = None,
    ) -> SettingsReader:
        """Return a reader over defaults, files, environment, `--set` and, strongest, the given layers.

        Args:
            assignments: `key=value` words of `--set`.
            in_play: Sections that a short key may belong to.
            strongest: Layers over all others.
            implied: What else was asked for says by the way; stronger than environment and files.

        Raises:
            UserError: If a key is unknown; it names key, source and the nearest. Only a warning for a
                section whose plugin is not installed.
        """
        by_name = {section.name: section for section in self.sections}
        layers = [from_file(path) for path in self.files]
        _check_variables(self.sections)
        layers.append(match_environment(from_environment(), self.sections))
        layers += [implied] if implied else []
        layers.append(from_assignments(assignments, "--set", [by_name[name] for name in in_play], self.sections))
        reader = SettingsReader([*layers, *strongest], self.sections)
        for key, source, advice in reader.unknown():
            text = f"setting {key!r} from {source} is not known" + (f"; {advice}" if advice else "")
            if key.rpartition(".")[0] in by_name or source == "--set" or advice:
                raise UserError(f"{text} (sebsx config show)")
            self.output.warning(f"{text}: is its plugin installed?")
        return reader

    def core(self) -> CoreSettings:
        """Return the settings of sebsx itself."""
        settings: CoreSettings = self.reader().read(CORE).value
        return settings

    def store_target(self) -> str | None:
        """Return where results are: as told, `SEBSX_STORE`, a settings file, or None for the user's data folder."""
        _check_variables([self.core_section])
        return self.store_option or os.environ.get("SEBSX_STORE") or self._store_in_files()

    @contextmanager
    def open_store(self, *, read: bool = False, check: bool = False) -> Iterator[Store]:
        """Open the results.

        Args:
            read: Only to read them: nothing is written then, and they may lie where nothing can be.
            check: Look first whether the file is damaged.
        """
        from sebsx.store import open_store  # SQLAlchemy costs start-up time

        with open_store(self.store_target(), read_only=read) as store:
            if check:
                store.quick_check()
            yield store

    @contextmanager
    def open_index(self) -> Iterator[RunIndex]:
        """Open what the store says of its runs as a whole, to be read; SQLAlchemy is not loaded for a file."""
        from sebsx.store.index import open_file

        target = self.store_target()
        path = store_file() if target is None else Path(target)
        with ExitStack() as stack:
            yield stack.enter_context(open_file(path)) or stack.enter_context(self.open_store(read=True)).index

    def spec(
        self,
        experiment: type[Experiment[Any]],
        *strongest: Layer,
        assignments: Sequence[str] = (),
        seed: int | None = None,
        limits: Limits | None = None,
    ) -> RunSpec:
        """Return what to run, with the settings of today below the given layers.

        Args:
            experiment: The experiment.
            strongest: Layers over environment and files: what was asked for.
            assignments: `key=value` words of `--set`.
            seed: None draws one.
            limits: What it may spend at most; None for no limit.
        """
        from sebsx.running.limits import Limits  # heavy
        from sebsx.running.orchestrator import RunSpec

        section = f"experiment.{experiment.name}"
        given = self.reader((), (), *strongest)
        chosen = given.read(CORE).value.platform
        meant = () if chosen else experiment().platforms(self.registry, given.read(section).value)
        names = self.choose_platforms(chosen or tuple(meant))
        in_play = [CORE, section, *(f"platform.{name}" for name in names)]
        asked = given.read(section).value
        said = {
            f"platform.{name}.{key}": value
            for name in names
            for key, value in experiment().settings_of(self.registry.platforms[name], asked).items()
        }
        implied = Layer(f"experiment {experiment.name}", said)
        reader = self.reader(assignments, in_play, *strongest, implied=implied)
        core = reader.read(CORE).value
        return RunSpec(
            experiment=experiment(),
            settings=reader.read(section).value,
            platforms={name: reader.read(f"platform.{name}").value for name in names},
            collectors=self._collectors(core.collectors),
            seed=seed,
            campaign=core.campaign,
            limits=limits or Limits(),
            options=core.options,
            fail_if=core.fail_if,
            reader=reader,
        )

    def resumed(self, name: str, limits: Limits | None = None) -> RunSpec:
        """Return what an interrupted run was started with; secrets come from the settings of today.

        Raises:
            UserError: If it is finished, or was unsuccessful to its end.
        """
        from sebsx.model import RunStatus
        from sebsx.running.limits import Limits  # heavy
        from sebsx.running.orchestrator import RunSpec, settings_of

        with self.open_store() as store:
            run = store.view(name).run
        if run.status is RunStatus.FINISHED:
            raise UserError(f"run {run.id!r} is finished, there is nothing to resume; see: sebsx show {run.id}")
        if run.status is RunStatus.UNSUCCESSFUL:
            raise UserError(
                f"run {run.id!r} was carried out to its end and is unsuccessful: {run.error}; "
                "mend the cause and start another run"
            )
        experiment = self.registry.get("experiments", run.experiment)
        for platform in run.settings["platforms"]:
            self.registry.get("platforms", platform)
        reader = self.reader((), (), settings_of(run))
        return RunSpec(
            experiment=experiment(),
            settings=reader.read(f"experiment.{run.experiment}").value,
            platforms={platform: reader.read(f"platform.{platform}").value for platform in run.settings["platforms"]},
            collectors=tuple(run.settings["collectors"]),
            seed=run.seed,
            campaign=run.campaign,
            resume=run.id,
            limits=limits or Limits(),
            options=run.settings.get("options", {}),  # none in a run of before they could be asked for
            fail_if=run.settings.get("fail_if", ()),
            reader=reader,
        )

    def plan(self, experiment: str, settings: Mapping[str, Any] | None = None, **asked: Any) -> Plan:
        """Return what a run would do, without touching anything; takes what `run` takes."""
        return self.planned(self._asked(experiment, settings or {}, asked))

    def planned(self, spec: RunSpec) -> Plan:
        """Return what a run would do; the store is opened, to be read, by an experiment that asks for it alone."""
        from sebsx.running import orchestrator  # heavy
        from sebsx.running.results import StoredResults, readable

        with ExitStack() as stack:
            opened = partial(self.open_store, read=True)
            results = StoredResults(partial(readable, stack, self.store_target(), opened, self.output.warning))
            return orchestrator.plan(spec, self.registry, results)

    def run(self, experiment: str, settings: Mapping[str, Any] | None = None, **asked: Any) -> Run:
        """Do a run and return it as closed; see `sebsx.contracts.commands.Services.run`."""
        spec = self._asked(experiment, settings or {}, asked)
        with self.open_store() as store:
            return self.carry_out(spec, store)

    def carry_out(self, spec: RunSpec, store: Store) -> Run:
        """Do a run and return it as closed; what ends it early says how to go on."""
        from sebsx.running import orchestrator  # heavy

        try:
            with self.observing() as observer:
                return orchestrator.run(spec, self.registry, store, observer)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"interrupted{_advice(store)}") from None
        except PlatformError as exc:
            raise PlatformError(f"{exc}{_advice(store)}") from exc

    @contextmanager
    def observing(self) -> Iterator[Observer]:
        """Yield who hears of the progress of a run."""
        yield QuietObserver()

    def analyze(
        self, runs: Sequence[RunView], analyzer: str | None = None, settings: Mapping[str, Any] | None = None
    ) -> Report | None:
        """Return what an analyzer says of runs; by default the one of their experiment, None if that has none."""
        from sebsx.reading.failures import unmeasured  # heavy

        name = analyzer or self.default_analyzer(runs)
        if name is None:
            return None
        section = f"analyzer.{name}"
        cls = self.registry.get("analyzers", name)
        layer = Layer("the call", {f"{section}.{key}": value for key, value in (settings or {}).items()})
        report: Report = cls().analyze(runs, self.analyzer_reader(section, layer).read(section).value)
        if analyzer is None and not report.answers:
            report = replace(report, answers=list(unmeasured(runs)))
        return report

    def analyzer_reader(self, section: str, *strongest: Layer) -> SettingsReader:
        """Return a reader of the settings of an analyzer."""
        return self.reader((), [section], *strongest)

    def default_analyzer(self, views: Sequence[RunView]) -> str | None:
        """Return the name of the analyzer of the experiment of some runs, None if that has none here.

        Raises:
            UserError: If they are of several experiments.
        """
        names = {view.run.experiment for view in views}
        if len(names) > 1:
            raise UserError(
                f"runs of several experiments ({', '.join(sorted(names))}); name one analyzer with --analyzer"
            )
        experiment = self.registry.experiments.get(names.pop())
        return experiment.analyzer if experiment else None

    def page(self, runs: Sequence[RunView], destination: str | Path, analyzers: Sequence[str] = ()) -> Path:
        """Write the HTML page of runs, as `sebsx report` does, and return the file."""
        from sebsx.reading import pages  # heavy

        file = Path(destination)
        pages.write(file, pages.rendered(self, runs, analyzers, target=file.name))
        return file

    def choose_platforms(self, chosen: tuple[str, ...]) -> tuple[str, ...]:
        """Return the platforms to run on: those chosen, or the one that needs no account."""
        for name in chosen:
            self.registry.get("platforms", name)
        if chosen:
            return chosen
        if self.registry.default_platform is None:
            raise PluginError("no plugin brings a default platform; name one with --platform (sebsx list platforms)")
        return (self.registry.default_platform,)

    def _collectors(self, chosen: tuple[str, ...]) -> tuple[str, ...]:
        for name in chosen:
            self.registry.get("collectors", name)
        return chosen or tuple(sorted(name for name, cls in self.registry.collectors.items() if cls.default))

    def _asked(self, experiment: str, settings: Mapping[str, Any], asked: Mapping[str, Any]) -> RunSpec:
        """Return what a program asks for."""
        from sebsx.running.limits import Limits  # heavy

        if unknown := sorted(asked.keys() - _ASKED):
            raise UserError(f"{unknown[0]!r} cannot be asked of a run; there are {', '.join(sorted(_ASKED))}")
        limits = Limits(asked.get("budget_usd"), asked.get("max_invocations"), asked.get("max_time_s"))
        if resume := asked.get("resume"):
            return self.resumed(resume, limits)
        cls = self.registry.get("experiments", experiment)
        named = {
            "platform": asked.get("platforms"),
            **{key: asked.get(key) for key in ("collectors", "options", "campaign")},
        }
        values = {f"{CORE}.{key}": value for key, value in named.items() if value}
        values |= {f"experiment.{experiment}.{key}": value for key, value in settings.items()}
        return self.spec(cls, Layer("the call", values), seed=asked.get("seed"), limits=limits)

    def _store_in_files(self) -> str | None:
        """Return what files say of the store; whatever else they say of sebsx itself must be right, too."""
        reader = SettingsReader(map(from_file, self.files), [self.core_section])
        for key, source, advice in reader.unknown():
            if key.startswith(f"{CORE}."):
                text = f"setting {key!r} from {source} is not known"
                raise UserError(f"{text}{advice and f'; {advice}'} (sebsx config show)")
        settings: CoreSettings = reader.read(CORE).value
        return settings.store


def _check_variables(sections: Sequence[Section]) -> None:
    """Refuse a variable that is a misspelt setting of some sections."""
    for name, meant in misspelt_variables(from_environment(), sections):
        raise UserError(f"environment variable {name!r} is not known; did you mean {meant!r}? (sebsx config show)")


def _advice(store: Store) -> str:
    """Return how to go on with the run of this process, if it has measured something."""
    from sebsx.store import current_owner  # heavy

    mine = [run.id for run in store.runs() if run.owner == current_owner() and store.counts(run.id)]
    return f"; what was measured is kept, resume with: sebsx run --resume {mine[0]}" if mine else ""
