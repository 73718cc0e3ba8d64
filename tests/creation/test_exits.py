"""What a script has created ends with it, each cluster whatever the others meet."""

from __future__ import annotations

from tests.backends.scripts import Scripts

TWO = """\
from dask_ctl.backends import Backend
from dask_ctl.creation import exits


class Room(Backend):
    launcher = "srun"  # nothing else closes it


class Cluster:
    scheduler_address = "tcp://127.0.0.1:1"
    status = "running"

    def __init__(self, name):
        self.name = name

    def close(self):
        print("closing", self.name)
        raise RuntimeError("no such luck")


kept = [Cluster("one"), Cluster("two")]
for cluster in kept:
    exits.at_exit(cluster, Room(Cluster))
"""


def test_those_that_fail_to_close(scripts: Scripts) -> None:
    """A cluster whose closing raises does not keep the next one from being closed."""
    (scripts.cwd / "two.py").write_text(TWO)
    run = scripts.python("two.py")
    assert sorted(run.stdout.splitlines()) == ["closing one", "closing two"]
    assert "no such luck" in run.stderr
