"""The whole flow of a run on one screen: check, plan, open, measure, tear down, close."""

from __future__ import annotations

import json
import logging
import os
import secrets
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from ulid import ULID

from sebsx.building import Packager, default_cache
from sebsx.contracts.scene import NoResults, Scene
from sebsx.errors import LimitReachedError, PlatformError, SebsxError, UnknownNameError, UserError
from sebsx.model import Factors, ResourceState, Run, RunStatus, Severity, content_hash
from sebsx.model.descriptors import raise_limit
from sebsx.running import environment
from sebsx.running.contexts import make_platform
from sebsx.running.judging import judge
from sebsx.running.limits import Limits, Meter, described
from sebsx.running.provisioning import option_factors, placed, read_options, without_code
from sebsx.running.results import StoredResults
from sebsx.running.session import RunSession
from sebsx.settings import Layer, public
from sebsx.settings import secrets as secrets_of
from sebsx.store.owner import current_owner
from sebsx.store.values import damaged
from sebsx.system import installing
from sebsx.system.folders import cache_folder, remove_folder
from sebsx.system.interrupts import interrupts
from sebsx.system.outside import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from sebsx.contracts.commands import Results
    from sebsx.contracts.experiments import Experiment
    from sebsx.contracts.observers import Observer
    from sebsx.contracts.platforms import Platform
    from sebsx.model import Plan, Problem, Scalar
    from sebsx.plugins import Registry
    from sebsx.settings import SettingsReader
    from sebsx.store import Store

logger = logging.getLogger(__name__)

_SEED_BITS = 48
# Known everywhere, whatever platforms are installed.
_ARCHITECTURES = frozenset({"x86_64", "arm64"})
_ALSO_CALLED = {
    **dict.fromkeys(("amd64", "x64", "x86", "x86-64", "intel", "amd"), ("x86_64",)),
    **dict.fromkeys(("aarch64", "arm", "graviton"), ("arm64",)),
}
# In the working directory of a run: who it belongs to, so that nobody cleans it away while that process lives.
OWNER_FILE = "owner.json"


@dataclass(frozen=True)
class RunSpec:
    """What a user asked for.

    Args:
        experiment: The experiment.
        settings: Its settings.
        platforms: Settings of each platform by its name.
        collectors: Names of the collectors to ship into functions.
        seed: None draws one.
        campaign: Free label.
        resume: Id of an interrupted run to go on with.
        limits: What it may spend at most.
        options: Levels of options of functions, by name, each a factor of the design.
        fail_if: Thresholds of its gate as written (`p95>300ms`); they change nothing of what is measured.
        reader: Reads the settings of today, for plugins that hear of its end; None for none.
    """

    experiment: Experiment[Any]
    settings: Any
    platforms: Mapping[str, Any]
    collectors: Sequence[str] = ()
    seed: int | None = None
    campaign: str = ""
    resume: str | None = None
    limits: Limits = field(default_factory=Limits)
    options: Mapping[str, Sequence[Scalar]] = field(default_factory=dict)
    fail_if: Sequence[str] = ()
    reader: SettingsReader | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse a seed that no store holds.

        Raises:
            UserError: If it needs more than 64 bits.
        """
        if self.seed is not None and not -(2**63) <= self.seed < 2**63:
            raise UserError("--seed needs more than 64 bits; give a smaller one")

    @property
    def shipped(self) -> tuple[str, ...]:
        """The collectors asked for, and those that the experiment needs."""
        return tuple(dict.fromkeys((*self.collectors, *self.experiment.collectors)))

    def described(self) -> dict[str, Any]:
        """Return all that is needed to run it again; of secrets only the names."""
        return {
            "experiment": public(self.settings),
            "platforms": {name: public(settings) for name, settings in self.platforms.items()},
            "collectors": list(self.shipped),
            "limits": described(self.limits),
            "options": {name: list(levels) for name, levels in self.options.items()},
            "fail_if": list(self.fail_if),
            "secrets": [f"{section}.{name}" for section, value in self._sections() for name in secrets_of(value)],
        }

    def _sections(self) -> list[tuple[str, Any]]:
        platforms = [(f"platform.{name}", settings) for name, settings in self.platforms.items()]
        return [(f"experiment.{self.experiment.name}", self.settings), *platforms]


def plan(spec: RunSpec, registry: Registry, results: Results | None = None) -> Plan:
    """Return what a run would do, without touching anything.

    Args:
        spec: What is asked.
        registry: What plugins registered.
        results: What earlier runs stored; None for nothing.

    Raises:
        UserError: If the settings make no design, or a platform cannot take it.
    """
    directory = workdir("plan")
    platforms = {name: make_platform(registry, name, settings, directory) for name, settings in spec.platforms.items()}
    design = _plan(spec, registry, platforms, results or NoResults())
    caveats = [describe_problem(name, item) for name, platform in platforms.items() for item in platform.caveats()]
    return replace(design, notes=(*design.notes, *caveats, *_not_installed(spec, platforms)))


def _not_installed(spec: RunSpec, platforms: Mapping[str, Platform[Any]]) -> Iterator[str]:
    """Say which extras a run uses that are not installed, and how to install them."""
    used = dict.fromkeys((*(cls.extra for cls in platforms.values() if cls.extra), *spec.experiment.extras))
    lacking = installing.missing() if used else {}
    if extras := [extra for extra in used if extra in lacking]:
        packages = ", ".join(package for extra in extras for package in lacking[extra])
        yield f"not installed, and needed by this: {packages}; run: {installing.command(','.join(extras))}"


def run(spec: RunSpec, registry: Registry, store: Store, observer: Observer) -> Run:
    """Do a run from checks to teardown and return it as closed.

    What was measured is in the store whatever happens. Resources are torn down on every way out; what
    could not be is in the ledger, for `sebsx clean`. A run that came to one of its limits is returned as interrupted,
    with the limit as its error, and one in which nothing or almost nothing worked as unsuccessful.

    Raises:
        SebsxError: If the run cannot begin or a platform ends it; the run is then stored as failed.
        KeyboardInterrupt: After everything was torn down; the run is stored as interrupted.
    """
    run_id = spec.resume or str(ULID())
    # What a killed process of this run left in its directory may be being swept away at this moment.
    directory = workdir(f"{run_id}.{os.getpid()}" if spec.resume else run_id)
    attempt = secrets.token_hex(3) if spec.resume else ""
    platforms = {
        name: make_platform(
            registry, name, settings, directory, run_id=run_id, attempt=attempt, ledger=store.ledger(run_id, name)
        )
        for name, settings in spec.platforms.items()
    }
    results = StoredResults(lambda: store)
    design = _plan(spec, registry, platforms, results)
    observer.planned(design)
    spec.limits.check(platforms.values(), design.cells)
    _check(platforms.values(), observer)
    raise_limit()
    current = _begin(spec, registry, store, run_id, design)
    status, error = RunStatus.FAILED, None
    try:
        registry.notify("sebsx_run_started", run=current, registry=registry, settings=spec.reader)
        with _opened(platforms, current, directory, store, observer):
            scene = _scene(spec, registry, platforms, results)
            meter = Meter(spec.limits, *store.used(run_id))
            packager = Packager(default_cache(), current.id)
            session = RunSession(current, store, scene, packager, spec.shipped, observer, meter)
            try:
                spec.experiment.run(session, spec.settings)
            finally:
                with interrupts.shielded(swallow=True):
                    session.close()
        status, error = judge(store.view(run_id))
    except KeyboardInterrupt:
        status, error = RunStatus.INTERRUPTED, "interrupted by the user"
        raise
    except LimitReachedError as exc:
        status, error = RunStatus.INTERRUPTED, str(exc)
    except BaseException as exc:
        error = without_secrets(f"{type(exc).__name__}: {exc}")
        raise
    finally:
        with interrupts.shielded(swallow=True):
            current = store.finish_run(run_id, status, error)
            registry.notify("sebsx_run_finished", run=current, registry=registry, settings=spec.reader)
    return current


def settings_of(run: Run) -> Layer:
    """Return the settings that a run was started with, without secrets.

    Raises:
        StoreError: If they are not what a run stores.
    """
    try:
        values = {f"experiment.{run.experiment}.{key}": value for key, value in run.settings["experiment"].items()}
        for platform, settings in run.settings["platforms"].items():
            values |= {f"platform.{platform}.{key}": value for key, value in settings.items()}
    except (KeyError, AttributeError, TypeError):
        raise damaged("the store", f"column 'settings' of table 'run' is not a run's in that of {run.id}") from None
    return Layer(f"run {run.id}", values)


def workdir(run_id: str) -> Path:
    """Return the private directory of a run, where platforms keep what they need while it lasts.

    A resumed run has one of its own, whose name goes on behind the run's id after a dot.
    """
    return work_root() / run_id


def work_root() -> Path:
    """Return the directory that holds the working directories of all runs of this user."""
    return cache_folder() / "work"


def _plan(spec: RunSpec, registry: Registry, platforms: Mapping[str, Platform[Any]], results: Results) -> Plan:
    for name, platform in platforms.items():
        missing = sorted(spec.experiment.needs - platform.capabilities)
        if missing:
            raise UserError(f"experiment {spec.experiment.name!r} needs {', '.join(missing)}; {name!r} has none")
    for name in spec.shipped:
        registry.get("collectors", name)
    scene = _scene(spec, registry, platforms, results)
    design = spec.experiment.plan(scene, spec.settings)
    if not design.cells:
        raise UserError(f"experiment {spec.experiment.name!r} has nothing to measure with these settings")
    _check_names(design, scene)
    design = placed(design, scene, spec.experiment)
    known = (*option_factors(scene), *spec.experiment.factors)
    return replace(design, factors=Factors.of(known, [cell.factors for cell in design.cells]))


def _scene(spec: RunSpec, registry: Registry, platforms: Mapping[str, Platform[Any]], results: Results) -> Scene:
    return Scene(registry, platforms, options=read_options(spec.options, registry, platforms), results=results)


def _check_names(design: Plan, scene: Scene) -> None:
    """Refuse a language or architecture that exists nowhere; what one platform or variant cannot do is a result."""
    architectures = {name for platform in scene.registry.platforms.values() for name in platform.architectures}
    wrong = []
    for factors in (cell.factors for cell in design.cells):
        if language := factors.get("language"):
            scene.registry.get("languages", language)
            wrong.append(without_code(factors, scene))
        if (architecture := factors.get("architecture")) and architecture not in architectures | _ARCHITECTURES:
            known = sorted(architectures | _ARCHITECTURES)
            meant = _ALSO_CALLED.get(architecture.lower(), ())
            raise UnknownNameError("architecture", architecture, known, "--architecture", meant=meant)
    if wrong and wrong[0] is not None and None not in wrong:
        raise wrong[0]


def _check(platforms: Iterable[Platform[Any]], observer: Observer) -> None:
    for platform in platforms:
        for problem in (*platform.check(), *platform.caveats()):
            text = describe_problem(platform.name, problem)
            if problem.severity is Severity.ERROR:
                raise PlatformError(text)
            observer.warned(text)


def describe_problem(platform: str, problem: Problem) -> str:
    """Return a problem of a platform in one line, with what to do."""
    return f"platform {platform!r}: {problem.message}" + (f"; {problem.advice}" if problem.advice else "")


def _begin(spec: RunSpec, registry: Registry, store: Store, run_id: str, plan: Plan) -> Run:
    """Write the run to the store, or take an interrupted one over."""
    owner = current_owner()
    if spec.resume:
        store.resume_run(run_id, owner, registry.metrics.values())
        return replace(store.view(run_id).run, owner=owner)
    facts = environment.gather(registry)
    current = Run(
        id=run_id,
        experiment=spec.experiment.name,
        settings={**spec.described(), "factors": plan.factors.stored()},
        seed=secrets.randbits(_SEED_BITS) if spec.seed is None else spec.seed,
        status=RunStatus.RUNNING,
        started_at=datetime.now(UTC),
        owner=owner,
        environment=content_hash(facts),
        campaign=spec.campaign,
        design=plan.design,
    )
    store.start_run(current, facts, registry.metrics.values())
    return current


@contextmanager
def _opened(
    platforms: Mapping[str, Platform[Any]], current: Run, directory: Path, store: Store, observer: Observer
) -> Iterator[None]:
    """Open every platform with its ledger; on the way out close it and remove what the ledger still holds."""
    try:
        _make_workdir(directory, current.owner, platforms.values())
        with ExitStack() as stack:
            for name, platform in platforms.items():
                observer.step(f"opening {name}")
                stack.callback(_remove_leftovers, platform, name, current.id, store, observer)
                stack.enter_context(_closing_shielded(platform, observer))
            yield
    finally:
        with interrupts.shielded(swallow=True):
            if not remove_folder(directory):
                observer.warned(f"working directory {str(directory)!r} could not be removed (sebsx clean)")


def _make_workdir(directory: Path, owner: Mapping[str, Any], platforms: Iterable[Platform[Any]]) -> None:
    """Make the working directory of a run with those of its platforms, and say in it whose it is.

    Raises:
        UserError: If it cannot be made: the cache folder cannot be written, or its disk is full.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)  # it holds the code and the inputs of users
        (directory / OWNER_FILE).write_text(json.dumps(dict(owner)), encoding="utf-8")
        for platform in platforms:
            platform.workdir.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise UserError(
            f"working directory {str(directory)!r} cannot be made: {exc.strerror}; "
            "free space there, make it writable or name another cache folder with XDG_CACHE_HOME"
        ) from exc


@contextmanager
def _closing_shielded(platform: Platform[Any], observer: Observer) -> Iterator[None]:
    """Enter a platform, and leave it without being interrupted; what leaving raises is told: the run is done."""
    platform.__enter__()
    try:
        yield
    finally:
        with interrupts.shielded(swallow=True):
            try:
                platform.__exit__(None, None, None)
            except SebsxError as exc:
                observer.warned(f"platform {platform.name!r} could not be closed: {exc} (sebsx clean)")


def _remove_leftovers(platform: Platform[Any], name: str, run_id: str, store: Store, observer: Observer) -> None:
    """Remove what an interrupted or failed deployment left in the ledger."""
    with interrupts.shielded(swallow=True):
        for resource in store.resources(run_id):
            if resource.platform != name or resource.id is None:
                continue
            try:
                platform.remove(resource)
            except Exception as exc:  # one that cannot be removed must not keep the others
                logger.info("removing %s failed", resource.name, exc_info=True)
                observer.warned(f"{resource.kind} {resource.name!r} could not be removed: {exc} (sebsx clean)")
            else:
                store.set_resource(resource.id, ResourceState.DELETED)
