"""function: what a user has deployed already, as it is, or with other memory and on other processors."""

from __future__ import annotations

import re
from itertools import groupby, product
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.contracts.experiments import Experiment
from sebsx.errors import UserError
from sebsx.model import Adoption, Capability, Cell, Design, Factor, FunctionConfig, Plan, Role
from sebsx.running.blocks import unchanging
from sebsx_function.inputs import Input, expectation, inputs
from sebsx_function.sampling import Slot, changes_sandboxes, measure
from sebsx_function.settings import FunctionSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sebsx.contracts.platforms import Platform
    from sebsx.contracts.registered import Registered
    from sebsx.contracts.scene import Scene
    from sebsx.contracts.session import Session

_LONGEST_NAME = 40
_UNKNOWN = (
    "how long the function takes is not known before it is measured, and so neither are time and cost; "
    "--budget-usd, --max-invocations and --max-time hold them"
)


class FunctionExperiment(Experiment[FunctionSettings]):
    """Latency, cold starts and cost of a function that exists, over memory sizes and architectures."""

    name = "function"
    summary = "a function you have already: latency, cold starts and the memory to give it"
    Settings: ClassVar[type[Any]] = FunctionSettings
    factors = (
        Factor(name="input", meaning="what the function is called with"),
        Factor(name="input_sha256", role=Role.IDENTITY),
        Factor(name="measured", meaning="the function as it is, changed in place, or a copy"),
        Factor(name="concurrency", meaning="calls at once"),
    )
    needs = frozenset({Capability.ADOPT})
    analyzer = "perf-cost"  # looked up by name: the tables and choices are the same
    without_options = "a function that exists keeps what it was given; change that at its provider"
    subject = "function"

    def platforms(self, registry: Registered, settings: FunctionSettings) -> Sequence[str]:
        """Return the platform that an ARN or a URL can only mean."""
        if not settings.address:
            raise UserError("say what to measure: sebsx run function ARN|URL")
        found = sorted(name for name, cls in registry.platforms.items() if cls.recognises(settings.address))
        if not found:
            raise UserError(
                f"address {settings.address!r} is neither an ARN nor a URL; a name needs its platform: --platform aws"
            )
        return found[:1]

    def settings_of(self, platform: type[Platform[Any]], settings: FunctionSettings) -> Mapping[str, str]:
        """Return what the address says of the place: region, project, subscription."""
        return platform.settings_in(settings.address) if settings.address else {}

    def plan(self, scene: Scene, settings: FunctionSettings) -> Plan:
        """Return one cell per memory size, architecture, start type and input."""
        platform = self._platform(scene, settings)
        subject = platform.subject_of(settings.address)
        given = inputs(settings.payload)
        expectation(settings.expect)  # fails now on what is not JSON
        _check(platform, settings, given)
        cells = [
            _cell(platform, subject, settings, *levels)
            for levels in product(
                settings.architectures or (None,), settings.memory_mib or (None,), _starts(platform, settings), given
            )
        ]
        slots = _slots(cells)
        deployments = len(slots)
        design = Design(settings.design) if len(cells) > 1 and not settings.in_place else Design.SEQUENTIAL
        notes = [_warning(subject, settings), _UNKNOWN]
        if "warm" in settings.starts and not changes_sandboxes(platform, settings):
            notes.append(unchanging(repr(subject)))
        return Plan(tuple(cells), deployments=deployments, notes=tuple(notes), design=design)

    def run(self, session: Session, settings: FunctionSettings) -> None:
        """Take the function as each condition wants it, and measure in rounds what is there at the same time."""
        plan = self.plan(session.scene, settings)
        platform = self._platform(session.scene, settings)
        session.observer.warned(_warning(platform.subject_of(settings.address), settings))
        given = {item.sha256: item.payload for item in inputs(settings.payload)}
        expected = expectation(settings.expect)
        taken = [
            Slot(
                _adoption(session, platform, settings, cells[0], number),
                cells,
                [given[cell.factors["input_sha256"]] for cell in cells],
                expected,
            )
            for number, cells in enumerate(_slots(session.pending(plan)))
        ]
        together = settings.max_deployed if session.run.design is Design.RMIT else 1
        for first in range(0, len(taken), together):
            measure(session, taken[first : first + together], settings)

    def _platform(self, scene: Scene, settings: FunctionSettings) -> Platform[Any]:
        if not settings.address:
            raise UserError(
                "say what to measure: sebsx run function ARN|URL; it is not stored, so that a run is resumed with "
                "SEBSX_EXPERIMENT__FUNCTION__ADDRESS=... sebsx run --resume"
            )
        if len(scene.platforms) != 1:
            raise UserError(f"a function is on one platform; {', '.join(scene.platforms)} are too many")
        return next(iter(scene.platforms.values()))


def _check(platform: Platform[Any], settings: FunctionSettings, given: Sequence[Input]) -> None:
    """Refuse what cannot be done on the platform, before anything is called."""
    changeable = Capability.CHANGE in platform.capabilities
    if not changeable and (settings.memory_mib or settings.architectures or settings.start):
        raise UserError(f"{platform.name!r} takes a function as it is: leave out --memory, --architecture and --start")
    if changeable and (settings.method or settings.headers):
        raise UserError(f"--method and --header are for URLs; {platform.name!r} has its own way to invoke")
    for architecture in settings.architectures or (platform.architectures[0],):
        offered = platform.offers(architecture).memory_mib
        for memory_mib in settings.memory_mib:
            if offered.fit(memory_mib) not in (None, memory_mib):  # what is above all sizes is a result
                raise UserError(f"memory of {memory_mib} MiB: platform {platform.name!r} offers {offered} MiB")
    if "cold" in settings.starts and not (settings.copy or settings.in_place):
        raise UserError("a cold start is forced on a copy (--memory or --architecture) or --in-place only")
    for item in given:
        if len(item.payload) > platform.payload_bytes:
            raise UserError(
                f"payload {item.name!r} is {len(item.payload)} bytes; platform {platform.name!r} takes at most "
                f"{platform.payload_bytes}"
            )


def _starts(platform: Platform[Any], settings: FunctionSettings) -> Sequence[str | None]:
    """Return the start types of the design; None where nobody says which an invocation had."""
    return settings.starts if Capability.RECORDS in platform.capabilities else (None,)


def _warning(subject: str, settings: FunctionSettings) -> str:
    what = f"a copy of {subject!r} is called with the role and the data" if settings.copy else f"{subject!r} is live"
    how = " and its memory is changed meanwhile" if settings.in_place else ""
    return f"{what}{how}: what the calls cost, write, send and charge is yours"


def _cell(
    platform: Platform[Any],
    subject: str,
    settings: FunctionSettings,
    architecture: str | None,
    memory_mib: int | None,
    start: str | None,
    given: Input,
) -> Cell:
    factors = {
        "platform": platform.name,
        "benchmark": subject,
        "architecture": architecture,
        "memory_mib": memory_mib,
        "start": start,
        "input": given.name,
        "input_sha256": given.sha256,
        "concurrency": settings.concurrency,
        "measured": "in place" if settings.in_place else "a copy" if settings.copy else "as it is",
    }
    return Cell(factors, settings.repetitions, in_flight=settings.concurrency)


def _slots(cells: Sequence[Cell]) -> list[list[Cell]]:
    """Return the cells that share a function: those that differ in nothing but their input."""
    return [list(group) for _, group in groupby(cells, key=_slot)]


def _slot(cell: Cell) -> tuple[Any, ...]:
    return tuple(cell.factors[key] for key in ("architecture", "memory_mib", "start"))


def _adoption(
    session: Session, platform: Platform[Any], settings: FunctionSettings, cell: Cell, number: int
) -> Adoption:
    factors, subject = cell.factors, platform.subject_of(settings.address)
    words = re.sub(r"[^A-Za-z0-9-]+", "-", subject)[:_LONGEST_NAME].strip("-")
    config = FunctionConfig(
        name=f"sebsx-{session.run.id[-8:].lower()}-{number}-{words}",
        memory_mib=factors["memory_mib"] or 0,
        timeout_s=settings.timeout_s,
        architecture=factors["architecture"] or "",
    )
    return Adoption(
        platform=platform.name,
        address=settings.address,
        subject=subject,
        config=config,
        copy=settings.copy,
        in_place=settings.in_place,
        force=settings.force,
        method=(settings.method or ("POST" if settings.payload else "GET")).upper(),
        headers=settings.headers,
    )
