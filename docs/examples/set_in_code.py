import dask
from dask.distributed import Client
from dask_ctl import create_cluster

dask.config.set({"ctl.cluster-spec": "large"})

with create_cluster() as cluster, Client(cluster) as client:
    print(len(client.scheduler_info()["workers"]), "workers")
