"""A plugin of pytest for dask-jobqueue's own tests, whose fixtures its wheel lacks.

With ``THROUGH=1`` in the environment, whatever calls a cluster class calls `create_cluster`.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from typing import Any

import dask.config
import dask_jobqueue
import dask_jobqueue.local
import pytest
from distributed.utils_test import cleanup, loop, loop_in_thread  # noqa: F401 -- fixtures

from dask_ctl import create_cluster
from dask_ctl.exceptions import DaskCtlWarning

CLASSES = tuple(
    f"{system}Cluster" for system in ("PBS", "Moab", "SLURM", "SGE", "LSF", "OAR", "HTCondor")
)


class Through:
    """Stands for a class, but for its calls."""

    def __init__(self, cluster_class: type) -> None:
        self._class = cluster_class

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        asynchronous = kwargs.pop("asynchronous", False)
        spec = {
            "module": self._class.__module__,
            "class": self._class.__name__,
            "args": list(args),
            "kwargs": kwargs,
        }
        with warnings.catch_warnings():
            # Of clusters that start without workers, as these tests have them.
            warnings.simplefilter("ignore", DaskCtlWarning)
            return create_cluster(spec, asynchronous=asynchronous)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._class, name)

    def __instancecheck__(self, instance: object) -> bool:
        return isinstance(instance, self._class)

    def __mro_entries__(self, _: tuple[Any, ...]) -> tuple[type, ...]:
        return (self._class,)


def chosen(cluster_class: type) -> Any:
    """A class, or what stands for it."""
    return Through(cluster_class) if os.environ.get("THROUGH") == "1" else cluster_class


for _name in CLASSES:
    setattr(dask_jobqueue, _name, chosen(getattr(dask_jobqueue, _name)))


@pytest.fixture(params=CLASSES, name="Cluster")
def cluster_class(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Each of the cluster classes."""
    with dask.config.set({"jobqueue.htcondor.disk": "1GB"}):  # which that class must be told
        yield getattr(dask_jobqueue, request.param)


@pytest.fixture(name="EnvSpecificCluster")
def env_specific_cluster() -> Any:
    """The class that needs no batch system."""
    return chosen(dask_jobqueue.local.LocalCluster)
