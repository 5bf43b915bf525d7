"""The contract of a price list: the dated price books of one provider, and how its public offers are read."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from sebsx.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date
    from pathlib import Path

    from sebsx.model.prices import Key, Price


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferFile:
    """What a public file of a provider says about its prices.

    Args:
        published: Day of its publication.
        version: As the provider names it.
        prices: Those that sebsx knows a use for, by what they are for.
    """

    published: date
    version: str
    prices: Mapping[Key, Price]


class Pricelist(ABC):
    """The prices of one provider.

    Class attributes:
        name: The provider, as `Platform.provider` names it: `aws`.
        summary: One line for `sebsx list pricelists`.
        usual_region: The region that people think of first, for messages that must name one; empty for any.
        offer_files: One line: which public files `read_offer_file` takes, and where they are; empty for none.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    usual_region: ClassVar[str] = ""
    offer_files: ClassVar[str] = ""

    @abstractmethod
    def books(self) -> Sequence[Path]:
        """Return the files of its price books, in any order; see `sebsx.pricing.bookfile` for what is in them."""

    def read_offer_file(self, document: Any) -> OfferFile:
        """Return the prices of one of the provider's public offer files.

        Args:
            document: The file, as JSON.

        Raises:
            UnsupportedError: If offers of this provider cannot be read.
            ValueError: If it is not such a file; the message says what is missing.
        """
        raise UnsupportedError(
            f"offers of {self.name!r} cannot be read; write a price book of your own (docs/prices.md says how)"
        )
