"""What somebody else has running, by its own account."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Somebody:
    """What somebody else has running.

    Parameters
    ----------
    example : str
        The folder in ``docs/examples`` whose spec fits.
    address, dashboard : str
        Of the scheduler.
    certificates : Path
        The folder of the certificates.
    processes : list of Popen
        The scheduler and its worker.
    """

    example: str
    address: str
    dashboard: str
    certificates: Path
    processes: list[subprocess.Popen[bytes]]

    @property
    def tls(self) -> dict[str, str]:
        """The keywords of a ``Security`` for this scheduler."""
        if self.example != "proxy-tls":
            return {}
        files = {"ca_file": "ca", "client_cert": "client", "client_key": "client-key"}
        return {f"tls_{key}": f"{self.certificates}/{name}.pem" for key, name in files.items()}

    def counts(self) -> dict[str, int]:
        """Ask the scheduler, past the class that is tested, what it has."""
        with urllib.request.urlopen(f"{self.dashboard}/json/counts.json", timeout=10) as answer:
            counts = json.load(answer)
        # One of its clients is the scheduler's own, for tasks that nobody waits for.
        return {"clients": counts["clients"] - 1, "workers": counts["workers"]}
