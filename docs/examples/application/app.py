import argparse

import dask
from dask.distributed import Client
from dask_ctl import create_cluster

parser = argparse.ArgumentParser()
parser.add_argument("--cluster", metavar="SPEC", help="where to compute: a path or a name")
arguments = parser.parse_args()

spec = arguments.cluster or dask.config.get("myapp.cluster", None)
with create_cluster(spec, local_fallback=spec is None) as cluster, Client(cluster) as client:
    print(client.submit(sum, [1, 2]).result(), "on", len(cluster.scheduler_info["workers"]))
