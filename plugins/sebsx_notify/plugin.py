"""Registers the kind `notifiers` with e-mail and webhook, checks each as a run begins, and tells each of its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sebsx.contracts.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.contracts.kinds import PluginKind
    from sebsx.contracts.registered import Registered
    from sebsx.model import Run
    from sebsx.settings import SettingsReader
    from sebsx_notify.notifiers import Notifier


@hookimpl
def sebsx_register_kinds() -> Sequence[PluginKind]:
    """Return the kind of things that tell people."""
    from sebsx.contracts.kinds import PluginKind  # loading a plugin costs nothing

    return [
        PluginKind(
            name="notifiers",
            title="what tells people that a long run has ended",
            base="sebsx_notify.notifiers:Notifier",
            page="notify.md",
            has_settings=True,
            settings_word="notify",
            raises=(("tell", (OSError,)),),
        )
    ]


@hookimpl
def sebsx_register_notifiers() -> Sequence[type[Notifier]]:
    """Return e-mail and webhook."""
    from sebsx_notify.mail import Mail  # loading a plugin costs nothing
    from sebsx_notify.webhook import Webhook

    return [Mail, Webhook]


@hookimpl
def sebsx_run_started(registry: Registered, settings: SettingsReader | None) -> None:
    """Warn of settings by which nobody could be told at the end."""
    if settings is not None:
        from sebsx_notify.telling import check_all  # loading a plugin costs nothing

        check_all(registry, settings)


@hookimpl
def sebsx_run_finished(run: Run, registry: Registered, settings: SettingsReader | None) -> None:
    """Tell whoever is set up and waits for runs as long as this one."""
    if settings is not None:
        from sebsx_notify.telling import tell_all  # loading a plugin costs nothing

        tell_all(run, registry, settings)
