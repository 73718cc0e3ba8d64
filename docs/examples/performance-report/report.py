from dask.distributed import Client, performance_report
from dask_ctl import create_cluster

client = Client(create_cluster(local_fallback=True))


def double(x):
    return x * 2


with performance_report(filename="report.html"):
    print(sum(client.gather(client.map(double, range(10)))))
