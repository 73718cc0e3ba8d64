import asyncio

from dask.distributed import Client
from dask_ctl import create_cluster


async def main():
    async with create_cluster(asynchronous=True) as cluster:
        async with Client(cluster, asynchronous=True) as client:
            print(await client.submit(sum, [1, 2, 3]))


asyncio.run(main())
