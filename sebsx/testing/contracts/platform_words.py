"""The part of the contract of a platform that holds it to what it says of itself."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from sebsx.contracts.platforms import Platform
from sebsx.errors import UnsupportedError
from sebsx.model import (
    Capability,
    Problem,
    Severity,
    Target,
)
from sebsx.model.options import RESERVED, WELL_KNOWN
from sebsx.testing.contracts import metadata, trying
from sebsx.testing.contracts.quiet import recorded_io

if TYPE_CHECKING:
    from pathlib import Path


class PlatformWords:
    """What a platform says of itself; nothing is opened."""

    def test_metadata_is_complete(self, platform: Platform[Any]) -> None:
        cls = type(platform)
        metadata.check_words(cls)
        metadata.check_settings(cls.Settings)
        assert all(isinstance(capability, Capability) for capability in cls.capabilities)
        assert cls.architectures
        assert set(cls.architectures) <= {"x86_64", "arm64"}
        assert cls.timeout_s > 0
        assert cls.payload_bytes > 0

    def test_offers_are_declared_as_what_they_are(self, platform: Platform[Any]) -> None:
        for architecture in platform.architectures:
            offers = platform.offers(architecture)
            names = [option.name for option in offers.options]
            assert len(set(names)) == len(names), "an option is offered twice"
            assert not set(names) & RESERVED, "an option has the name of a factor that every run has"
            for option in offers.options:
                known = WELL_KNOWN.get(option.name, option)
                assert (option.kind, option.unit) == (known.kind, known.unit), f"{option.name} means something else"
                assert option.help
                assert option.default is None or option.fit(option.default) == option.default, option.name

    def test_what_is_offered_can_be_had_and_nothing_more(self, platform: Platform[Any]) -> None:
        offers = platform.offers(platform.architectures[0])
        smallest, largest = int(offers.memory_mib.smallest), int(offers.memory_mib.largest)
        for asked, given in ((1, smallest), (smallest, smallest), (largest, largest)):
            assert platform.offered(trying.config(platform, memory_mib=asked)).memory_mib == given
        with pytest.raises(UnsupportedError):
            platform.offered(trying.config(platform, memory_mib=largest + 1))
        with pytest.raises(UnsupportedError, match="no_such_option"):
            platform.offered(trying.config(platform, options={"no_such_option": 1}))
        for option in offers.options:
            if option.offer is not None and option.offer.largest != math.inf:
                beyond = "no such level" if option.kind in (str, bool) else float(option.offer.largest) + 1
                with pytest.raises(UnsupportedError, match=option.name):
                    platform.offered(trying.config(platform, options={option.name: beyond}))

    def test_construction_does_no_io(self, platform: Platform[Any], tmp_path: Path) -> None:
        missing = tmp_path / "never-made"
        context = replace(platform.context, workdir=missing)
        type(platform)(platform.settings, context)  # lets lazy imports happen
        with recorded_io() as events:
            type(platform)(platform.settings, context)
        assert events == []
        assert not missing.exists()

    def test_check_returns_problems_with_advice(self, platform: Platform[Any]) -> None:
        for problem in platform.check():
            assert isinstance(problem, Problem)
            assert problem.message
            assert problem.severity is Severity.WARNING or problem.advice, "an error says what to do"

    def test_target_is_for_the_architecture_asked_for(self, platform: Platform[Any]) -> None:
        for architecture in platform.architectures:
            target = platform.target("python", architecture)
            assert isinstance(target, Target)
            assert (target.language, target.architecture) == ("python", architecture)
            assert re.fullmatch(r"3\.\d+", target.version)

    def test_unknown_language_is_unsupported(self, platform: Platform[Any]) -> None:
        with pytest.raises(UnsupportedError):
            platform.target("no-such-language", platform.architectures[0])

    def test_declared_capabilities_are_implemented(self, platform: Platform[Any]) -> None:
        methods = {
            Capability.FORCE_COLD: "force_cold",
            Capability.RECORDS: "records",
            Capability.STORAGE: "storage",
            Capability.ADOPT: "adopt",
        }
        for capability, method in methods.items():
            overridden = getattr(type(platform), method) is not getattr(Platform, method)
            assert overridden == (capability in platform.capabilities), f"{capability} and {method}() disagree"

    def test_wrapper_hides_no_file_of_the_function(self, platform: Platform[Any]) -> None:
        for name, data in platform.wrapper_files("python").items():
            assert name.startswith("sebsx_wrapper"), f"{name!r} may hide a file of the function"
            compile(data, name, "exec")
