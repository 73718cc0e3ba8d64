"""JupyterLab's Dask panel, by the HTTP requests that the panel makes."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from distributed import Client

from tests.backends.scripts import EXAMPLES, Scripts, listed, ok, wait_until

NEEDS = ("dask_labextension", "jupyter_server")
SITE = """
version: 1
module: mysite.clusters
class: Site
kwargs: {n_workers: 0}
adapt: {minimum: 1, maximum: 1}
"""


OPTIONS = [
    "--allow-root",
    "--no-browser",
    "--ip=127.0.0.1",
    "--port=0",
    "--log-level=WARN",
    "--LanguageServerManager.autodetect=False",  # of another extension, which runs npm for it
]


@dataclass(frozen=True)
class Panel:
    """A Jupyter server that runs, as the panel uses it.

    Parameters
    ----------
    url, token : str
        Where it answers, and to whom.
    process : subprocess.Popen
        The server.
    """

    url: str
    token: str
    process: subprocess.Popen[str]

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """Make a request, and give the status and the content of the answer."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(f"{self.url}{path}", data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, json.loads(answer.read() or "null")
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def answers(self) -> bool:
        """Whether the server takes requests by now."""
        try:
            return self.ask("GET", "api")[0] == 200
        except urllib.error.URLError:
            return False

    def wait_for_workers(self, cluster: str, count: int) -> dict[str, Any]:
        """Wait until a cluster has so many workers, and give what is told of it then."""

        def told() -> Any:
            return self.ask("GET", f"dask/clusters/{cluster}")[1]

        wait_until(lambda: told()["workers"] == count, f"there are {count} workers", 60)
        found: dict[str, Any] = told()
        return found


@pytest.fixture
def factory() -> str:
    """The example that says what the panel makes its clusters with."""
    return "labextension.yaml"


@pytest.fixture
def panel(
    scripts: Scripts, jupyter: Path, factory: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Panel]:
    """Start a Jupyter server whose panel makes clusters with that factory."""
    config = scripts.home / ".config" / "dask"
    config.mkdir(parents=True)
    shutil.copy(EXAMPLES / "jupyterlab" / factory, config)
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__DASHBOARD_ADDRESS", ":0")
    monkeypatch.setenv("JUPYTER_TOKEN", token := secrets.token_hex())
    process = scripts.start(sys.executable, "-m", "jupyter_server", *OPTIONS)
    running = jupyter / "JUPYTER_RUNTIME_DIR" / f"jpserver-{process.pid}.json"
    try:
        wait_until(lambda: running.exists() or process.poll() is not None, "the server runs", 60)
        assert process.poll() is None, process.communicate()
        panel = Panel(json.loads(running.read_text())["url"], token, process)
        wait_until(panel.answers, "it answers", 60)  # the file is there before it listens
        yield panel
        if process.poll() is None:
            panel.ask("POST", "api/shutdown")
        assert process.wait(timeout=30) == 0, process.communicate()
    finally:
        process.kill()
        process.communicate()


def workers(scripts: Scripts) -> list[str]:
    """Give the processes of workers in the user's name."""
    return [command for command in scripts.processes().values() if "spawn_main" in command]


def test_starts_scales_adapts_and_stops(panel: Panel, scripts: Scripts) -> None:
    """The panel's buttons work on the cluster of the spec beside which the server was started."""
    scripts.use_example("jupyterlab")
    path = f"dask/clusters/{(cluster := str(uuid.uuid4()))}"
    status, started = panel.ask("PUT", path)
    assert (status, started["id"]) == (200, cluster), started
    told = panel.wait_for_workers(cluster, 3)
    assert (told["name"], told["cores"], told["memory"]) == ("LocalCluster 1", 3, "2.79 GiB")
    assert panel.ask("GET", "dask/clusters/") == (200, [told])
    with Client(told["scheduler_address"]) as client:
        assert client.submit(sum, [1, 2]).result() == 3

    assert panel.ask("PATCH", path, {"workers": 1})[0] == 200
    panel.wait_for_workers(cluster, 1)
    limits = {"minimum": 2, "maximum": 4}
    status, adapted = panel.ask("PATCH", path, {"adapt": limits})
    assert (status, adapted["adapt"]) == (200, limits)
    panel.wait_for_workers(cluster, 2)
    assert len(workers(scripts)) == 2

    assert panel.ask("DELETE", path) == (204, None)
    assert panel.ask("GET", "dask/clusters/") == (200, [])
    assert panel.ask("GET", path)[0] == 404
    wait_until(lambda: not workers(scripts), "the workers have ended")


def test_tells_what_is_wrong(panel: Panel, scripts: Scripts) -> None:
    """What is wrong with a spec is the panel's error; corrected, it serves without a restart.

    A cluster that nobody stopped ends with the server.
    """
    shutil.copytree(EXAMPLES / "own" / "mysite", scripts.cwd / "mysite")
    spec = scripts.cwd / "dask-cluster.yaml"
    spec.write_text(SITE.replace("Site", "Sight"))
    status, error = panel.ask("PUT", f"dask/clusters/{uuid.uuid4()}")
    assert status == 500
    assert "dask-cluster.yaml:4: class: " in error["message"]
    spec.write_text(SITE)
    status, started = panel.ask("PUT", f"dask/clusters/{uuid.uuid4()}")
    assert (status, started["name"], "adapt" in started) == (200, "Site 1", False)
    panel.wait_for_workers(started["id"], 1)


@pytest.mark.parametrize("factory", ["attach.yaml"])
def test_shows_a_cluster_made_elsewhere(panel: Panel, scripts: Scripts) -> None:
    """It is scaled from the panel, and goes on when the panel has stopped it."""
    path = f"dask/clusters/{(cluster := str(uuid.uuid4()))}"
    status, error = panel.ask("PUT", path)
    assert (status, "there is no cluster 'mine'" in error["message"]) == (500, True)
    scripts.use_example("jupyterlab")
    ok(scripts.dask_cluster("create", "--name", "mine", "--wait", "3"))
    try:
        status, shown = panel.ask("PUT", path)
        assert status == 200, shown
        assert panel.wait_for_workers(cluster, 3)["dashboard_link"]
        assert panel.ask("PATCH", path, {"workers": 1})[0] == 200
        panel.wait_for_workers(cluster, 1)
        limits = {"minimum": 2, "maximum": 4}
        status, adapted = panel.ask("PATCH", path, {"adapt": limits})
        assert (status, adapted["adapt"]) == (200, limits)
        panel.wait_for_workers(cluster, 2)
        assert panel.ask("DELETE", path) == (204, None)
        (left,) = listed(scripts)
        assert (left["name"], left["status"]) == ("mine", "running")
    finally:
        ok(scripts.dask_cluster("delete", "mine", "--yes"))
