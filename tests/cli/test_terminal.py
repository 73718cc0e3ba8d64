"""What the commands print for a person at a terminal."""

from __future__ import annotations

import os
import pty
import re
import signal
import struct
import subprocess
import termios
from collections.abc import Iterator
from contextlib import suppress
from fcntl import ioctl

import pytest
import yaml

from dask_ctl import lifecycle
from dask_ctl.exceptions import Problem, Problems
from dask_ctl.hosts import store as records
from dask_ctl.management.info import Clusters
from tests.backends.scripts import DASK_CLUSTER, SPEC, Scripts, ok, wait_until
from tests.conftest import ROOT

# Scales and closes once it may.
PATIENT = """
import time
from pathlib import Path
from dask.distributed import LocalCluster

def wait():
    Path("waiting.yaml").touch()
    while not Path("go-on.yaml").exists():
        time.sleep(0.05)

class Patient(LocalCluster):
    def scale(self, n):
        wait()
        return super().scale(n)

    def close(self, timeout=None):
        if self.status.name == "running":
            wait()
        return super().close(timeout)
"""
DISPLAYS = ("WAYLAND_DISPLAY", "BROWSER", "WSL_DISTRO_NAME", "DISPLAY")
LINK = re.compile(r"\033]8;;(.*?)\033\\")


class Terminal:
    """A command in a terminal of so many columns.

    Parameters
    ----------
    *arguments : str
        Those of ``dask cluster``.
    columns : int
        How wide it is.
    env : str
        Further variables of the environment.
    """

    def __init__(self, *arguments: str, columns: int = 80, **env: str) -> None:
        self.ours, theirs = pty.openpty()
        ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self.process = subprocess.Popen(
            [*DASK_CLUSTER, *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm-256color", **env},
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        os.close(theirs)

    def until(self, pattern: str) -> str:
        """Read until a pattern has been printed."""
        text = ""
        while not re.search(pattern, text):
            some = self._some()
            assert some, text
            text += some
        return text

    def printed(self) -> str:
        """Read to the end."""
        text = ""
        while some := self._some():
            text += some
        assert self.process.stderr is not None
        assert self.process.stderr.read() == b""
        assert self.process.wait(60) == 0
        os.close(self.ours)
        return text

    def _some(self) -> str:
        with suppress(OSError):  # how the other end says that it is closed
            return os.read(self.ours, 2**16).decode()
        return ""


@pytest.fixture
def named(scripts: Scripts) -> Iterator[Scripts]:
    """A cluster with a dashboard, for commands that show it."""
    (scripts.cwd / "dask-cluster.yaml").write_text(SPEC)
    ok(scripts.dask_cluster("create", "--name", "a-name", "--wait", "1"))
    yield scripts
    ok(scripts.dask_cluster("delete", "a-name"))


def test_list(named: Scripts) -> None:
    """Columns are left out until it fits; the name opens the dashboard, the status is coloured."""
    dashboard = ok(named.dask_cluster("dashboard", "a-name")).strip()
    for columns, left_out in ((48, "ADDRESS DISCOVERY THREADS MEMORY"), (140, "")):
        printed = Terminal("list", "recorded", columns=columns).printed()
        assert LINK.findall(printed) == [dashboard, ""]
        assert "\033[32mrunning\033[0m" in printed
        plain = re.sub(r"\033\[\d*m", "", LINK.sub("", printed))
        assert max(map(len, plain.splitlines())) <= columns
        assert set(Clusters.HEADINGS) - set(plain.splitlines()[0].split()) == set(left_out.split())

    named.dask_cluster("adapt", "a-name", "--maximum", "2", "--no-wait")
    assert "running, adapts (minimum 0, maximum 2)" in ok(named.dask_cluster("list", "recorded"))
    wide = Terminal("list", "recorded", "--wide", columns=40).printed()
    assert "ADDRESS" in wide


def test_dashboard(named: Scripts, tmp_path_factory: pytest.TempPathFactory) -> None:
    """It is opened where that would be seen: not on a login node, where there is no display."""
    folder = tmp_path_factory.mktemp("browser")
    browser = folder / "xdg-open"
    browser.write_text(f"#!/bin/sh\necho $1 >> {folder}/opened\n")
    browser.chmod(0o755)
    plain = {"PATH": f"{folder}:{os.environ['PATH']}", **dict.fromkeys(DISPLAYS, "")}
    address = ok(named.dask_cluster("dashboard", "a-name"))
    assert Terminal("dashboard", "a-name", **plain).printed().split() == [address.strip()]
    assert not (folder / "opened").exists()
    Terminal("dashboard", "a-name", **{**plain, "DISPLAY": ":0"}).printed()
    wait_until((folder / "opened").exists, "the page is opened")
    wait_until(lambda: (folder / "opened").read_text() == address, "at its address")


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "dumb"])
def test_no_colours(named: Scripts, env: dict[str, str]) -> None:
    """Whoever asks for no colours gets none."""
    printed = Terminal("list", "recorded", **env).printed()
    assert "running" in printed
    assert "\033[" not in printed


def test_watch(named: Scripts) -> None:
    """The list is printed anew until Ctrl-C, which is no error."""
    watching = Terminal("list", "recorded", "--watch")
    assert watching.until(r"(?s)running.*running").count("\033[2J") == 1
    watching.process.send_signal(signal.SIGINT)
    watching.printed()


def test_what_comes_next(named: Scripts) -> None:
    """A person is told what to do with a new cluster; a program gets its name alone."""
    terminal = Terminal("create", "--name", "analysis", "--wait", "1")
    _, err = terminal.process.communicate(timeout=90)
    assert terminal.until("analysis") == "analysis\r\n"
    os.close(terminal.ours)
    plain = re.sub(r"\033\[\d*m", "", LINK.sub("", err.decode()))
    steps = "".join(plain.splitlines(keepends=True)[1:])
    dashboard = ok(named.dask_cluster("dashboard", "analysis")).strip()
    shown = "analysis\n" + steps.replace(dashboard, "http://127.0.0.1:8787/status")
    assert f"```text\n{shown}```\n" in (ROOT / "docs" / "managing.md").read_text()
    ok(named.dask_cluster("delete", "analysis"))


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("scale a-name 2", "interrupted: if a-name was told, it goes on to 2 workers"),
        ("delete a-name", "interrupted: if a-name was told, it goes on to end"),
    ],
    ids=["scale", "delete"],
)
def test_ctrl_c(scripts: Scripts, command: str, said: str) -> None:
    """It is said at once what goes on without the command, and that does."""
    (scripts.cwd / "dask-cluster.yaml").write_text(SPEC)
    (scripts.cwd / "mine.py").write_text(PATIENT)
    ok(
        scripts.dask_cluster(
            "create", "--set", "module=mine", "--set", "class=Patient", "--name", "a-name"
        )
    )
    process = scripts.start(*DASK_CLUSTER, *command.split())
    wait_until((scripts.cwd / "waiting.yaml").exists, "its host is told", 60)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said in err
    (scripts.cwd / "go-on.yaml").touch()
    if "scale" in command:
        ok(scripts.dask_cluster("wait", "a-name", "--workers", "2"))
        ok(scripts.dask_cluster("delete", "a-name"))
    wait_until(lambda: records.names() == [], "it has ended", 60)


def test_each_worker(named: Scripts) -> None:
    """`show` has a line for each worker."""
    lines = ok(named.dask_cluster("show", "a-name")).splitlines()
    row = lines[lines.index("each worker:") + 2]
    assert re.fullmatch(r"  0 +1 +[\d.]+ MiB of [\d.]+ .iB  0 +tcp://127.0.0.1:\d+", row), row


def test_in_a_console(named: Scripts) -> None:
    """What the functions give is a line each."""
    (info,) = lifecycle.list_clusters("recorded")
    assert re.fullmatch(
        r"<ClusterInfo a-name: LocalCluster, tcp://127.0.0.1:\d+, (workers=1, )?[ru].*>", repr(info)
    )
    problem = Problem("unknown", "see below", origin="a.yaml:5", severity="warning")
    assert repr(Problems([problem])) == "[<Problem warning: a.yaml:5: unknown; see below>]"
    (spec,) = lifecycle.list_specs()
    shown = "<Entry dask-cluster.yaml: dask.distributed.LocalCluster from dask-cluster.yaml:3>"
    assert repr(spec) == shown
    listed = yaml.safe_load(ok(named.dask_cluster("list", "recorded", "-o", "yaml")))
    assert [each["name"] for each in listed] == ["a-name"]


def test_in_a_notebook(named: Scripts) -> None:
    """Clusters, problems and plans are shown as tables and text, aligned to the left."""
    listed = lifecycle.list_clusters("recorded")._repr_html_()
    assert "<pre>a-name</pre>" in listed
    assert "NAME</th>" in listed
    found = Problems([Problem("a < b", "swap them", key="args")])._repr_html_()
    assert "<pre>args: a &lt; b; swap them</pre>" in found
    assert found.count("text-align: left") == 4
    assert Problems()._repr_html_() == "<pre>valid</pre>"
    assert Clusters()._repr_html_() == "<pre>no clusters</pre>"
    spec = {"module": "dask.distributed", "class": "LocalCluster", "kwargs": {"n_workers": 2}}
    assert lifecycle.check_spec(spec)._repr_html_() == "<pre>valid</pre>"
    assert lifecycle.plan_spec(spec)._repr_html_().startswith("<pre>workers: 2 (processes)\n")
