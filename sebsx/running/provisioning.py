"""What functions are given: options as users type them, and cells that a platform cannot do.

What one platform cannot give is a result; what exists nowhere is a mistake.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sebsx.errors import UnknownNameError, UserError
from sebsx.model import descriptors
from sebsx.model.factors import Factor, Role
from sebsx.model.offers import Offers, spelt
from sebsx.model.options import WELL_KNOWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from sebsx.contracts.experiments import Experiment
    from sebsx.contracts.platforms import Platform
    from sebsx.contracts.registered import Registered
    from sebsx.contracts.scene import Scene
    from sebsx.model import Cell, Option, Plan, Provision, Scalar


def read_options(
    asked: Mapping[str, Sequence[Scalar]], registry: Registered, platforms: Mapping[str, Platform[Any]]
) -> dict[str, tuple[Scalar, ...]]:
    """Return the levels asked for of each option as values of its kind, each level once.

    Raises:
        UserError: If no platform has such an option, or a level is none of its kind.
    """
    known = _known_options(registry, platforms)
    found: dict[str, tuple[Scalar, ...]] = {}
    for name, words in asked.items():
        if name not in known:
            raise UnknownNameError("option", name, known, "sebsx list options")
        try:
            found[name] = tuple(dict.fromkeys(known[name].read(word) for word in words))
        except ValueError as exc:
            raise UserError(f"--option {name}={','.join(map(spelt, words))}: {exc}") from exc
        if not found[name]:
            raise UserError(f"--option {name}: write {name}=VALUE,...")
    return found


def option_factors(scene: Scene) -> list[Factor]:
    """Return a factor for each option that is asked for, and for what is offered in its place."""
    known = _known_options(scene.registry, scene.platforms)
    found = []
    for name in scene.options:
        option = known[name]
        found.append(Factor(name=name, unit=option.unit, meaning=option.help, implies=("limits",)))
        found.append(Factor(name=f"{name}_offered", unit=option.unit, role=Role.DERIVED, of=(name, "platform")))
    return found


def placed(plan: Plan, scene: Scene, experiment: Experiment[Any]) -> Plan:
    """Return a plan that says of each cell whether its platform can do it, and in its notes what was rounded away.

    Args:
        plan: As an experiment made it.
        scene: What it was made for.
        experiment: The experiment.

    Raises:
        UserError: If something was asked for that exists nowhere, or options of an experiment that takes none.
    """
    cells = [placed_cell(cell, scene) for cell in plan.cells]
    for cell in cells:
        given = dict(cell.provision.options) if cell.provision else {}
        if ignored := [name for name in scene.options if name not in given]:
            why = f": {experiment.without_options}" if experiment.without_options else "; leave out --option"
            raise UserError(
                f"experiment {experiment.name!r} does not accept options of functions, such as {ignored[0]!r}{why}"
            )
    _check_somewhere(cells, scene)
    return replace(plan, cells=tuple(cells), notes=(*plan.notes, *dict.fromkeys(_notes(cells)), *_images(cells, scene)))


def placed_cell(cell: Cell, scene: Scene) -> Cell:
    """Return a cell with what it is given, and with the reason where its platform cannot do it."""
    platform = scene.platforms.get(str(cell.factors.get("platform")))
    if platform is None:
        return cell
    provision, memory_mib = cell.provision, cell.factors.get("memory_mib")
    if provision is None and memory_mib:  # an experiment that does not ask for what is offered
        architecture = cell.factors.get("architecture") or platform.architectures[0]
        provision = platform.provision(memory_mib, {}, architecture)
    return replace(
        cell, provision=provision, unsupported=cell.unsupported or _refusal(cell, scene, platform, provision)
    )


def without_code(factors: Mapping[str, Any], scene: Scene) -> UserError | None:
    """Return what is wrong where a benchmark has no code for a cell: in its language, or of that variant.

    Raises:
        UnknownNameError: If something that is named exists nowhere.
    """
    benchmark = scene.benchmark(factors.get("folder") or factors["benchmark"])
    try:
        benchmark.code(factors["language"], factors.get("function", ""), factors.get("variant", ""))
    except UnknownNameError:
        raise
    except UserError as exc:
        return exc
    return None


def _refusal(cell: Cell, scene: Scene, platform: Platform[Any], provision: Provision | None) -> str | None:
    """Return why a cell cannot be done; None where it can, as far as that is known before the platform is asked."""
    language = cell.factors.get("language")
    architecture = cell.factors.get("architecture") or platform.architectures[0]
    if language:  # one that exists already runs where its platform says
        if architecture not in platform.architectures:
            has = ", ".join(platform.architectures)
            return f"architecture {architecture!r} is not offered; platform {platform.name!r} has {has}"
        if why := without_code(cell.factors, scene) or platform.refusal(language, architecture):
            return str(why)
    if provision is not None and provision.unsupported is not None:
        return provision.unsupported
    if cell.in_flight > 1 and platform.one_at_a_time:
        return (
            f"platform {platform.name!r} takes one call after the other: bursts, several users and open loops cannot "
            "be measured there"
        )
    return None


def _check_somewhere(cells: Iterable[Cell], scene: Scene) -> None:
    """Refuse a memory size or level of an option that no platform offers at all."""
    offers = list(_all_offers(scene.registry, scene.platforms))
    for provision in (cell.provision for cell in cells if cell.provision is not None):
        memory_mib = provision.memory_mib
        if memory_mib < 1 or all(one.memory_mib.fit(memory_mib) is None for one in offers):
            has = "; ".join(f"{name} has {platform.memory_mib} MiB" for name, platform in scene.platforms.items())
            raise UserError(f"--memory {memory_mib}: no platform offers it; {has}")
        for name, level in provision.options:
            having = [option for one in offers if (option := one.option(name)) is not None]
            if all(option.fit(level) is None for option in having):
                known = " or ".join(dict.fromkeys(str(option.offer) for option in having))
                there_is = f"; there is {known}" if having else " (sebsx list options)"
                raise UserError(f"--option {name}={spelt(level)}: no platform offers it{there_is}")


def _notes(cells: Sequence[Cell]) -> Iterator[str]:
    unsupported: dict[str, int] = {}
    for cell in cells:
        if cell.unsupported is not None:
            unsupported[cell.unsupported] = unsupported.get(cell.unsupported, 0) + 1
        elif cell.provision is not None and cell.provision.same_as:
            provision = cell.provision
            sizes = ", ".join(map(str, provision.same_as))
            yield (
                f"platform {cell.factors['platform']!r} gives {provision.memory_offered_mib} MiB for {sizes} MiB, too: "
                f"measured once, as {provision.memory_mib} MiB"
            )
    in_flight = max((cell.in_flight for cell in cells), default=1)
    if in_flight + descriptors.OWN > descriptors.most():
        yield (
            f"up to {in_flight} calls are in flight, but a process may have {descriptors.most()} open files here: "
            "what fails for that is a client_error; raise the hard limit (ulimit -Hn), or ask for fewer"
        )
    for reason, count in unsupported.items():
        yield f"{count} cell{'s are' if count > 1 else ' is'} unsupported: {reason}"


def _images(cells: Sequence[Cell], scene: Scene) -> Iterator[str]:
    """Say what the Docker engine of this machine may have to pull."""
    found: dict[str, None] = {}
    for cell in cells:
        language, architecture = cell.factors.get("language"), cell.factors.get("architecture")
        platform = scene.platforms.get(cell.factors.get("platform", ""))
        if cell.unsupported is None and platform and language and architecture:
            options = dict(cell.provision.options) if cell.provision else {}
            found[platform.base_image(platform.target(language, architecture), options)] = None
    if images := ", ".join(filter(None, found)):
        yield f"the Docker engine of this machine builds functions as images, and pulls what it lacks of {images}"


def _known_options(registry: Registered, platforms: Mapping[str, Platform[Any]]) -> dict[str, Option]:
    offered = {option.name: option for one in _all_offers(registry, platforms) for option in one.options}
    return {**WELL_KNOWN, **offered}


def _all_offers(registry: Registered, platforms: Mapping[str, Platform[Any]]) -> Iterator[Offers]:
    """Yield what the platforms of the run offer with their settings, and what every other one does by default."""
    for platform in platforms.values():
        yield from (platform.offers(architecture) for architecture in platform.architectures)
    for cls in registry.platforms.values():
        yield Offers(memory_mib=cls.memory_mib, options=cls.options)
