"""The contract of a command: what it says of itself, and that it needs nothing but what it is handed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sebsx.testing.contracts import metadata
from sebsx.testing.contracts.quiet import recorded_io

if TYPE_CHECKING:
    from sebsx.contracts.commands import Command


class CommandContract:
    """Every command: override the fixture `command`."""

    @pytest.fixture
    def command(self) -> Command[Any]:
        """Return the command under test."""
        raise NotImplementedError("override the fixture 'command'")

    def test_metadata_is_complete(self, command: Command[Any]) -> None:
        cls = type(command)
        metadata.check_words(cls)
        metadata.check_settings(cls.Settings)
        assert "\t" not in cls.details

    def test_command_keeps_no_state(self, command: Command[Any]) -> None:
        assert type(command)().__dict__ == {}

    def test_construction_does_no_io(self, command: Command[Any]) -> None:
        with recorded_io() as events:
            type(command)()
        assert events == []
