"""The contract of a channel: what it says of itself, its limits, and the side of the function."""

from __future__ import annotations

import ast
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from sebsx.testing.contracts import metadata
from sebsx.testing.contracts.quiet import recorded_io

if TYPE_CHECKING:
    from sebsx.contracts.channels import Channel
    from sebsx.testing.fakes import FakePlatform

# What a module in a package may import besides the standard library.
_IN_PACKAGES = {"sebsx_channels", "sebsx_runtime", "sebsx_wrapper"}


class ChannelContract:
    """Every channel: override the fixture `channel`."""

    @pytest.fixture
    def channel(self) -> Channel[Any]:
        """Return the channel under test."""
        raise NotImplementedError("override the fixture 'channel'")

    def test_metadata_is_complete(self, channel: Channel[Any]) -> None:
        cls = type(channel)
        metadata.check_words(cls)
        metadata.check_settings(cls.Settings)
        assert cls.message_bytes > 0

    def test_construction_does_no_io(self, channel: Channel[Any]) -> None:
        with recorded_io() as events:
            type(channel)(type(channel).Settings())
        assert events == []

    def test_unknown_language_has_no_source(self, channel: Channel[Any]) -> None:
        assert channel.source("no-such-language") is None

    def test_function_side_connects_and_imports_the_standard_library_only(self, channel: Channel[Any]) -> None:
        source = channel.source("python")
        if source is None:
            pytest.skip(f"channel {channel.name!r} has no code in python")
        tree = ast.parse(source)
        defined = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert {"connect", "answer"} & defined.keys(), "it defines neither connect() nor answer()"
        if "connect" in defined:
            assert len(defined["connect"].args.args) == 4, "connect(role, context, session, parameters)"
        imported = {
            name.partition(".")[0]
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
        }
        assert imported - sys.stdlib_module_names - _IN_PACKAGES == set()

    def test_message_that_is_too_large_is_refused_with_a_reason(
        self, channel: Channel[Any], fake_platform: FakePlatform
    ) -> None:
        assert channel.refusal(fake_platform, channel.message_bytes + 1), "it takes a message beyond its own limit"

    def test_need_that_a_platform_lacks_is_refused_with_its_name(self, channel: Channel[Any]) -> None:
        if not channel.needs:
            pytest.skip(f"channel {channel.name!r} needs nothing of a platform")
        bare: Any = type("Bare", (), {"name": "bare", "capabilities": frozenset()})
        told = channel.refusal(bare, 1)
        assert told is not None
        assert all(need in told for need in channel.needs)

    def test_charges_are_quantities(self, channel: Channel[Any]) -> None:
        for meter, quantity in channel.charges({}, 1).items():
            assert meter
            assert quantity >= 0

    def test_cleaning_up_nothing_is_harmless(self, channel: Channel[Any], fake_platform: FakePlatform) -> None:
        if channel.needs - fake_platform.capabilities:
            pytest.skip("the platform in memory has not what it needs")
        channel.clean(fake_platform, "no-such-session")
        channel.clean(fake_platform, "no-such-session")

    def test_settings_are_json(self, channel: Channel[Any]) -> None:
        from sebsx.settings import public

        assert json.dumps(public(channel.settings))
