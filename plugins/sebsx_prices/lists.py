"""The price lists that sebsx ships: their books, and for AWS how its offer files are read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sebsx.contracts.pricelists import OfferFile, Pricelist

if TYPE_CHECKING:
    from collections.abc import Sequence


class _Shipped(Pricelist):
    """A price list whose books lie beside this module, named after the provider."""

    def books(self) -> Sequence[Path]:
        """Return the dated files."""
        return sorted((Path(__file__).parent / "books").glob(f"{self.name}-*.toml"))


class AwsPrices(_Shipped):
    """AWS Lambda and the services around it."""

    name = "aws"
    summary = "AWS Lambda, S3, DynamoDB, SQS, Step Functions, transfer"
    usual_region = "us-east-1"
    offer_files = "index.json of AWSLambda, AmazonS3, AmazonDynamoDB or AmazonStates, all regions or one"

    def read_offer_file(self, document: Any) -> OfferFile:
        """Return the prices of an offer file."""
        from sebsx_prices.aws_offers import read_offer_file

        return read_offer_file(document)


class AzurePrices(_Shipped):
    """Azure Functions."""

    name = "azure"
    summary = "Azure Functions, plans Flex Consumption and Consumption"
    usual_region = "eastus"


class GcpPrices(_Shipped):
    """Google Cloud Run functions."""

    name = "gcp"
    summary = "Google Cloud Run functions, request- and instance-based, and first generation"
    usual_region = "us-central1"
