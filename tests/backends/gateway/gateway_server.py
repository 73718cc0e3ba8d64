"""What a dask-gateway server has, by its own account and by that of the system."""

from __future__ import annotations

import base64
import getpass
import json
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Server:
    """A server that runs.

    Parameters
    ----------
    address : str
        Where it answers.
    folder : Path
        Where its clusters have their files, and their processes their current directory.
    """

    address: str
    folder: Path

    def get(self, path: str) -> dict[str, object]:
        """Ask the server, past the class that is tested."""
        request = urllib.request.Request(f"{self.address}/api/{path}")
        user = base64.b64encode(f"{getpass.getuser()}:".encode()).decode()
        request.add_header("Authorization", f"Basic {user}")
        with urllib.request.urlopen(request, timeout=10) as answer:
            found: dict[str, object] = json.load(answer)
        return found

    def healthy(self) -> bool:
        """Whether the server answers."""
        with suppress(OSError):
            return self.get("health") == {"status": "pass"}
        return False

    def clusters(self, status: str = "pending,running,stopping") -> dict[str, object]:
        """Give the clusters in some states, by default those that have not ended."""
        return self.get(f"v1/clusters/?status={status}")

    def left(self) -> list[str]:
        """Give the clusters, files and processes that there are."""
        processes = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if (folder / "cwd").readlink().is_relative_to(self.folder):
                    processes.append((folder / "cmdline").read_bytes().decode())
        files = [path.name for path in self.folder.iterdir()]
        return [*self.clusters(), *files, *processes]
