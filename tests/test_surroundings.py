"""Machines and users that lack what is there elsewhere: a home, an address, a language."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import distributed
import pytest
from packaging.version import Version

from tests.backends.scripts import ANSWER, DASK_CLUSTER, SCRIPT, SPEC, Scripts, ok, refused
from tests.conftest import ROOT, unavailable

Within = Callable[..., list[str]]
# A whole small machine: a host answers at an address of its own, as a container's does.
NETWORKS = {
    "no default route": "ip link set lo up",
    "no IPv6": "ip link set lo up && ip -6 address flush dev lo",
    "no IPv4": "ip link set lo up && ip -4 address flush dev lo",
}


@pytest.fixture
def network(require_programs: Callable[..., object]) -> Within:
    """Give the command that runs another in a network of its own."""
    require_programs("unshare", "ip", install="apt install util-linux iproute2")
    if os.geteuid() != 0:
        unavailable("only root may make a network", "sudo, or a container")

    def within(setup: str, *command: str | Path) -> list[str]:
        return ["unshare", "--net", "sh", "-c", f'{setup} && exec "$@"', "sh", *map(str, command)]

    return within


@pytest.fixture
def nobody(require_programs: Callable[..., object], monkeypatch: pytest.MonkeyPatch) -> Within:
    """Give the command that runs another as a user whom the system does not know."""
    require_programs("setpriv", install="apt install util-linux")
    if os.geteuid() != 0:
        unavailable("only root may be another", "sudo, or a container")
    monkeypatch.delenv("HOME")

    def within(*command: str | Path) -> list[str]:
        # This Python may lie where only its owner can read.
        reading = [f"--{kind}-caps=+dac_read_search" for kind in ("inh", "ambient")]
        ids = ["--reuid=54321", "--regid=54321", "--clear-groups"]
        return ["setpriv", *ids, *reading, *map(str, command)]

    return within


def test_no_home(scripts: Scripts, nobody: Within) -> None:
    """As in a container that runs as any user: all but a cluster that lives on works.

    What needs a home says so, and makes no folder that is called ``~``.
    """
    (scripts.cwd / "hpc.yaml").write_text(SPEC)
    for folder in (*scripts.cwd.parents[:2], scripts.cwd, scripts.tmp):
        folder.chmod(0o777)
    script = shutil.copy(SCRIPT, scripts.cwd)
    assert ok(scripts.run(*nobody(sys.executable, script))) == ANSWER
    listed = scripts.run(*nobody(*DASK_CLUSTER, "list", "recorded"))
    assert (ok(listed), "No clusters found" in listed.stderr) == ("", True)
    ok(scripts.run(*nobody(*DASK_CLUSTER, "spec", "list")))
    ok(scripts.run(*nobody(*DASK_CLUSTER, "run", "./hpc.yaml", "--", "true")))
    no_home = "no home folder.*XDG_STATE_HOME"
    refused(scripts.run(*nobody(*DASK_CLUSTER, "create", "./hpc.yaml")), 5, no_home)
    refused(scripts.run(*nobody(*DASK_CLUSTER, "delete", "a")), 6, "there is no cluster 'a'")
    disable = scripts.run(*nobody(*DASK_CLUSTER, "discovery", "disable", "schedulers"))
    refused(disable, 4, "no home folder; write it by hand")
    # dask-kubernetes makes such a folder, for its own defaults.
    assert "dask-ctl.yaml" not in {path.name for path in scripts.files()}


@pytest.mark.parametrize("lacking", NETWORKS)
def test_no_network_but_its_own(scripts: Scripts, network: Within, lacking: str) -> None:
    """A cluster is made, found, used and ended where there is one loopback address and no more."""
    spec = SPEC
    if lacking == "no IPv4":  # which distributed's dashboards need
        if Version(distributed.__version__) < Version("2025.12"):
            pytest.skip("distributed 2025.9 has no HTTP server without IPv4")
        spec = SPEC.replace('":0"', "null") + '  worker_dashboard_address: null\n  host: "[::1]"\n'
    (scripts.cwd / "dask-cluster.yaml").write_text(spec)
    dask = " ".join(DASK_CLUSTER)
    commands = [
        f"{sys.executable} {SCRIPT}",
        f"{dask} create --name a --wait 1",
        f"{dask} list recorded --output json | grep running",
        f"{dask} scale a 2",
        f"{dask} delete --yes a",
    ]
    run = scripts.run(*network(NETWORKS[lacking], "sh", "-ec", "\n".join(commands)))
    assert ok(run).startswith(f"{ANSWER}a\n")
    assert "arning" not in run.stderr


def test_a_plain_locale(scripts: Scripts, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of a user are UTF-8 whatever the language of the terminal."""
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.setenv("PYTHONCOERCECLOCALE", "0")
    monkeypatch.setenv("PYTHONUTF8", "0")
    (scripts.cwd / "hpc.yaml").write_text(f"# größer, 更大\n{SPEC}", encoding="utf-8")
    assert ok(scripts.dask_cluster("create", "hpc.yaml", "--name", "a")) == "a\n"
    assert "running" in ok(scripts.dask_cluster("list", "recorded"))
    ok(scripts.dask_cluster("show", "a"))
    ok(scripts.dask_cluster("delete", "--yes", "a"))
    (scripts.cwd / "dask-cluster.yaml").write_text(f"{SPEC}größer: 1\n", encoding="utf-8")
    refused(scripts.dask_cluster("spec", "show"), 4, "unknown key")


def test_a_terminal_of_few_letters(scripts: Scripts, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on Windows, where what is piped has some 200: others are told by their numbers."""
    (scripts.cwd / "dask-cluster.yaml").write_text(f"{SPEC}  name: größer 更大\n", encoding="utf-8")
    assert "größer 更大" in ok(scripts.dask_cluster("spec", "show"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTHONIOENCODING", "cp1252")
    done = subprocess.run([*DASK_CLUSTER, "spec", "show"], capture_output=True, check=True)
    assert "größer \\u66f4\\u5927" in done.stdout.decode("cp1252")


@pytest.mark.skipif(os.name != "posix", reason="Windows keeps a directory that is in use")
def test_a_directory_that_was_deleted(scripts: Scripts) -> None:
    """What lies beside it is still found; what would be said of it cannot be."""
    (scripts.cwd / "spec.yaml").write_text(SPEC)
    dask_cluster = shlex.join(map(str, DASK_CLUSTER))

    def there(*args: str) -> subprocess.CompletedProcess[str]:
        (scripts.cwd / "gone").mkdir()
        words = f'cd gone && rmdir "$PWD" && exec {dask_cluster} "$@"'
        return scripts.run("sh", "-c", words, "sh", *args)

    assert "n_workers" in ok(there("spec", "show", "../spec.yaml"))
    threads = ("--set", "kwargs.processes=false")  # multiprocessing wants to know where it is
    ok(there("run", "../spec.yaml", *threads, "--", "true"))
    for args in ((), ("--local",)):
        told = there("spec", "use", "../spec.yaml", *args)
        refused(told, 5, "^Error: the current directory does not exist any more; leave it$")
