"""farthing.toml as a checked, frozen value."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from farthing.core.book import CreditType
from farthing.errors import CatalogInvalid, UnknownCreditType


class Gift(NamedTuple):
    """Credits every new account gets once. `amount` in smallest units; `expires` None is the credit type's default."""

    credit_type: str
    amount: int
    expires: str | None


class Catalog(NamedTuple):
    """Everything the seller says. `version` is a digest of what the file says, not of how it is laid out."""

    version: str
    time_zone: str
    locale: str
    switches: dict[str, bool]
    credit_types: dict[str, CreditType]
    gifts: tuple[Gift, ...]

    def credit_type(self, code: str) -> CreditType:
        """The credit type called `code`.

        Raises:
            UnknownCreditType: the catalog has none; the error names those it has.
        """
        found = self.credit_types.get(code) if isinstance(code, str) else None
        if found is None:
            raise UnknownCreditType(
                f"The catalog has no credit type {code!r}; it has {', '.join(self.credit_types) or 'none'}. "
                f"Nothing was changed. Add [credit_types.{code}] to farthing.toml, or correct the name.",
                credit_type=code,
            )
        return found


def load(path: str | Path) -> Catalog:
    """The catalog in the file at `path`.

    Raises:
        CatalogInvalid: the file is missing, is not TOML, or has mistakes; `problems` lists all of them with their paths.
    """
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CatalogInvalid(f"{path} cannot be read: {error}. `farthing init` writes one.", problems=[str(error)]) from None
    return parse(text, name=str(path))


def parse(text: str, *, name: str = "farthing.toml") -> Catalog:
    """The catalog that `text` says.

    Raises:
        CatalogInvalid: it is not TOML or has mistakes.
    """
    from farthing.catalog_file import read  # pydantic is only needed while a file is read

    try:
        document = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise CatalogInvalid(f"{name} is not TOML: {error}.", problems=[str(error)]) from None
    return read(document, name=name, version=_version(document))


def _version(document: dict[str, Any]) -> str:
    return sha256(repr(_sorted(document)).encode()).hexdigest()[:12]


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return sorted((name, _sorted(inner)) for name, inner in value.items())
    return [_sorted(inner) for inner in value] if isinstance(value, list) else value
