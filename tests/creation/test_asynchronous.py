"""Creation inside a running loop."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Callable

import pytest
from distributed import Client, LocalCluster

from dask_ctl import create_cluster
from tests.creation.specs import THREADS

Python = Callable[..., "subprocess.CompletedProcess[str]"]


def test_asynchronous_await() -> None:
    """Inside a running loop the cluster is awaited, and is the backend's own object."""

    async def main() -> None:
        cluster = await create_cluster({**THREADS, "scale": 2}, asynchronous=True)
        assert type(cluster) is LocalCluster
        async with Client(cluster, asynchronous=True) as client:
            await client.wait_for_workers(2, timeout=60)
            assert await client.submit(sum, [1, 2]) == 3
        await cluster.close()

    asyncio.run(main())


def test_asynchronous_with() -> None:
    """`async with` gives the backend's own object, and closes it."""

    async def main() -> LocalCluster:
        spec = {**THREADS, "adapt": {"minimum": 1, "maximum": 2}}
        async with (
            create_cluster(spec, asynchronous=True) as cluster,
            Client(cluster, asynchronous=True) as client,
        ):
            assert await client.submit(sum, [1, 2]) == 3
        return cluster

    cluster = asyncio.run(main())
    assert type(cluster) is LocalCluster
    assert cluster.status.name == "closed"


def test_asynchronous_scales_once() -> None:
    """Awaiting again, as a Client does, leaves alone what was scaled since."""

    async def main() -> int:
        cluster = create_cluster({**THREADS, "scale": 2}, asynchronous=True)
        await cluster
        cluster.scale(0)
        async with Client(cluster, asynchronous=True):
            wanted = len(cluster.worker_spec)
        await cluster.close()
        return wanted

    assert asyncio.run(main()) == 0


def test_asynchronous_like_the_class_itself() -> None:
    """What is returned can be handed to a Client and closed without being awaited first."""

    async def main() -> None:
        cluster = create_cluster(THREADS, asynchronous=True)
        async with Client(cluster, asynchronous=True) as client:
            assert await client.submit(sum, [1, 2]) == 3
        assert "LocalCluster" in repr(cluster)
        await cluster.close()

    asyncio.run(main())


@pytest.mark.usefixtures("mysite")
def test_asynchronous_failure_leaves_nothing() -> None:
    """A failure while starting closes what was started, and names backend and spec."""

    async def main() -> None:
        spec = {**THREADS, "module": "mysite_clusters", "class": "Rigid", "adapt": {"maximum": 1}}
        await create_cluster(spec, asynchronous=True)

    with pytest.raises(ValueError, match=r"^no\n"):
        asyncio.run(main())
