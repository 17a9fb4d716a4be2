"""`farthing catalog …`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from farthing.amounts import format_money
from farthing.catalog import Catalog, as_kept, describe, describe_rates
from farthing.cli import output
from farthing.cli.arguments import AsJson
from farthing.cli.starting import opened
from farthing.errors import CatalogInvalid

CHARGES = ("operation", "when", "price", "terms")
CHARGES_SHOWN = ["charges for", "when", "price", "in all"]
File = Annotated[Path | None, typer.Argument(metavar="FILE", help="Left out: the one the settings name.")]

app = typer.Typer(help="The catalog: what exists and what it costs.", no_args_is_help=True)


@app.command()
def check(file: File = None, as_json: AsJson = False) -> None:
    """Read a catalog and tell every mistake with its path. Ends with 1 where there is one; warnings are no mistakes."""
    from farthing import catalog

    path = file or _configured()
    try:
        loaded = catalog.load(path)
    except CatalogInvalid as error:
        output.failed(error, as_json=as_json)
        raise typer.Exit(output.REFUSED) from None
    sells = [dict(zip(("what", "credits", "price"), line, strict=True)) for line in describe(loaded)]
    charges = [dict(zip(CHARGES, line, strict=True)) for line in describe_rates(loaded)]
    if as_json:
        said = {"version": loaded.version, "warnings": loaded.warnings, "sells": sells, "charges": charges}
        output.document(said)
        return
    for warning in loaded.warnings:
        output.note(f"warning: {warning}")
    if sells:
        output.table(["sells", "credits", "price"], [tuple(line.values()) for line in sells])
    if charges:
        output.table(CHARGES_SHOWN, [tuple(line.values()) for line in charges])
    output.say(f"{path} is right. Version {loaded.version}.")


@app.command()
def show(
    file: File = None,
    version: Annotated[
        str | None, typer.Option(metavar="VERSION", help="Instead of a file: what a version said, by its entries.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what a catalog says: credit types, gifts, what is sold and charged for how much, promo codes, plans."""
    from farthing import catalog
    from farthing.catalog.telling import told

    if file and version:
        raise typer.BadParameter("Give FILE or --version, not both.")
    name = str(file or _configured()) if version is None else f"As of {version}"
    loaded = catalog.load(name) if version is None else _as_kept(version)
    if as_json:
        said = told(loaded)
        whole = said.pop(("catalog", ""))
        data = [{"kind": kind, "code": code, "says": settings} for (kind, code), settings in said.items()]
        output.document({"version": loaded.version, "catalog": whole, "data": data})
        return
    _print(loaded, name)


@app.command()
def diff(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="The catalog as it was.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="The catalog as it is to be.")],
    as_json: AsJson = False,
) -> None:
    """Tell what two catalogs say differently. Ends with 0 where they mean the same, with 1 where they do not."""
    from farthing import catalog
    from farthing.catalog.telling import compare

    before, after = catalog.load(old), catalog.load(new)
    changes = compare(before, after)
    if as_json:
        data = [{"change": one.happened, **one._asdict()} for one in changes]
        output.document({"before": before.version, "after": after.version, "data": data})
    elif changes:
        for one in changes:
            output.say(str(one))
    else:
        output.say(f"{old} and {new} say the same.")
    if changes:
        raise typer.Exit(output.REFUSED)


@app.callback()
def root() -> None:
    """What stands before a command."""


def _as_kept(version: str) -> Catalog:
    with opened() as credits:
        kept = credits.catalog_version(version)
    return as_kept(kept.version, kept.document)


def _configured() -> Path:
    from farthing import settings

    return settings.load().catalog


def _print(loaded: Catalog, name: str) -> None:
    from farthing.catalog.telling import credits, cycle, promo_terms, told

    types, said = loaded.credit_types, told(loaded)
    whole = said["catalog", ""]
    off = [setting for setting, word in whole.items() if word == "off"]
    output.say(f"{name}, version {loaded.version}: {loaded.currency}, {loaded.time_zone}, {loaded.locale}.")
    output.say(f"Switched off: {', '.join(off)}." if off else "Everything is switched on.")
    kept = ["name", "decimals", "expires", "overdraft", "hold"]
    output.table(["credit type", *kept], [(code, *(said["credit type", code][one] for one in kept)) for code in types])
    if loaded.gifts:
        gifts = [(one.credit_type, *said["gift", one.credit_type].values()) for one in loaded.gifts]
        output.table(["gift", "amount", "expires"], gifts)
    if sells := describe(loaded):
        output.table(["sells", "credits", "price"], sells)
    if charges := describe_rates(loaded):
        output.table(CHARGES_SHOWN, charges)
    if loaded.promo_codes:
        promos = [(code, *promo_terms(said["promo code", code])) for code in loaded.promo_codes]
        output.table(["promo code", "gives", "uses", "of each account", "terms"], promos)
    if loaded.plans:
        columns = ["plan", "name", "period", "cycle", "each cycle pays", "trial pays", "price"]
        output.table(
            columns,
            [
                (
                    code, plan.name, plan.every, plan.drip or plan.every, cycle(plan, types) or "nothing",
                    ", ".join(credits(units, types[kind]) for kind, units in plan.trial_credits.items()),
                    ", ".join(format_money(minor, currency) for currency, minor in plan.prices.items()),
                )
                for code, plan in loaded.plans.items()
            ],
        )  # fmt: skip


@app.command()
def schema() -> None:
    """Print the JSON Schema of the catalog, with which an editor completes it and marks its mistakes."""
    import json

    from farthing.catalog.editors import json_schema

    output.say(json.dumps(json_schema(), indent=2, ensure_ascii=False))
