"""The announcement's script on machines reached by a real sshd."""

from __future__ import annotations

import sys
from typing import ClassVar

import pytest

from tests.backends.claims import FixedSize
from tests.backends.scripts import DASK_CLUSTER, SCRIPT, SEEN, WORK_FOR_EVER, Scripts, ok


class TestSSH(FixedSize):
    """What is started on other machines ends with the script."""

    nowhere: ClassVar[dict[str, int]] = {"CONNECT_OPTIONS__PORT": 1}
    # SSHCluster itself leaves a worker whose task never ends; see its page in the documentation.
    work = (
        WORK_FOR_EVER.replace("time.sleep(3600)", "return")
        + "while True:\n    client.submit(time.sleep, 0.1, pure=False).result()\n"
    )
    chatter = r"(?m)^.* - distributed\.deploy\.ssh - INFO - .*\n"

    @pytest.fixture
    def backend(self, ssh: Scripts) -> Scripts:
        """Use the example spec."""
        return ssh


def test_a_script_that_ends_before_its_workers_have_joined(ssh: Scripts) -> None:
    """Workers that the end of the script meets on their way to the scheduler end too."""
    (ssh.cwd / "creates.py").write_text("import dask_ctl\ncluster = dask_ctl.create_cluster()\n")
    assert ssh.python("creates.py").returncode == 0


def test_a_machine_that_refuses(ssh: Scripts, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that does not answer ends the script with one line that names the spec."""
    monkeypatch.setenv("DASK_CTL__CLUSTER_KWARGS__CONNECT_OPTIONS__PORT", "1")
    run = ssh.python(SCRIPT)
    assert run.returncode == 1
    last = run.stderr.splitlines()[-1]
    assert last.startswith("dask_ctl: dask-cluster.yaml:"), run.stderr
    assert "SSHCluster failed: " in last


def test_configuration_and_variables_reach_workers(ssh: Scripts) -> None:
    """What the spec hands on is what a task sees, and after the cluster is gone here."""
    run = ssh.python(ssh.carry())
    assert (run.stdout, run.returncode) == (SEEN, 0), run.stderr


def test_run_sends_nothing_of_its_own(ssh: Scripts) -> None:
    """Its way with workers of this machine is none for others, which may lack this package."""
    script = (
        "import dask\nfrom distributed import Client\nclient = Client()\n"
        "client.wait_for_workers(1)\n"
        "names = 'distributed.worker.preload', 'distributed.nanny.pre-spawn-environ'\n"
        "print(client.submit(lambda: str([*map(dask.config.get, names)])).result())"
    )
    sent = ok(ssh.run(*DASK_CLUSTER, "run", "--", sys.executable, "-c", script))
    assert sent.startswith("[[], {")
    assert "PYTHONSAFEPATH" not in sent
