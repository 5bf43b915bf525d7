"""Tells every notifier that is set up, each within its time; what fails is one line of warning."""

from __future__ import annotations

import dataclasses
import logging
import threading
from typing import TYPE_CHECKING, Any

from sebsx.errors import SebsxError, UserError
from sebsx.system.outside import visible, without_environment, without_secrets
from sebsx_notify.notifiers import Ended

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sebsx.contracts.registered import Registered
    from sebsx.model import Run
    from sebsx.settings import SettingsReader
    from sebsx_notify.notifiers import Notifier

logger = logging.getLogger(__name__)
_MOST_WORDS = 300  # characters of what a server or a library told


def check_all(registry: Registered, reader: SettingsReader) -> None:
    """Warn of each notifier that could not tell anybody, before the run takes its hours."""
    for name in registry.of("notifiers"):
        try:
            reader.read(f"notify.{name}")
        except UserError as exc:
            logger.warning("nobody will be told of the end of this run by %s: %s", name, exc)


def tell_all(run: Run, registry: Registered, reader: SettingsReader) -> None:
    """Tell of a run that has ended, where somebody waits for runs as long as it was."""
    if run.finished_at is None:
        return
    ended = Ended(run=run, lasted_s=(run.finished_at - run.started_at).total_seconds())
    notifiers: Mapping[str, type[Notifier]] = registry.of("notifiers")
    for name, cls in notifiers.items():
        try:
            notifier = cls(reader.read(f"notify.{name}").value)
            due = notifier.is_set_up and ended.lasted_s >= notifier.settings.after_s
        except Exception as exc:  # noqa: BLE001  # wrong settings, or a plugin's fault: the others are told
            logger.warning("nobody was told of the end of the run by %s: %s", name, _in_a_line(exc))
            continue
        if due:
            _tell(name, notifier, ended)


def _tell(name: str, notifier: Notifier, ended: Ended) -> None:
    """Tell in a thread: one that sends a byte now and then would hold a run up for ever, whatever its time-outs."""
    failed: list[str] = []

    def tell() -> None:
        try:
            notifier.tell(ended)
        except Exception as exc:  # noqa: BLE001  # who tells of a run must never end it
            failed.append(_words(exc, notifier.settings))

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    thread.join(notifier.settings.timeout_s)
    if thread.is_alive():
        failed.append(f"no answer within {notifier.settings.timeout_s:g} s")
    if failed:
        advice = f"check its settings: sebsx config show notify.{name}"
        logger.warning("nobody was told of the end of the run by %s: %s; %s", name, failed[0], advice)


def _words(exc: Exception, settings: Any) -> str:
    """Return what went wrong in one line, without a secret that a server or a library repeated."""
    text = _in_a_line(exc)
    for field in dataclasses.fields(settings):
        value = str(getattr(settings, field.name))
        if field.metadata.get("secret") and value:
            text = text.replace(value, "(secret)")
    text = visible(text)  # only now: what was cut would no longer be known for a secret
    return text if len(text) <= _MOST_WORDS else f"{text[:_MOST_WORDS]} ..."


def _in_a_line(exc: Exception) -> str:
    if isinstance(exc, OSError) and exc.strerror:
        words = exc.strerror
    else:
        words = str(exc) if isinstance(exc, SebsxError) or type(exc) is OSError else f"{type(exc).__name__}: {exc}"
    return without_environment(without_secrets(" ".join(words.split())))
