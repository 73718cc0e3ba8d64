from prefect import flow, task
from prefect_dask import DaskTaskRunner


@task
def double(x):
    return x * 2


@flow(task_runner=DaskTaskRunner(cluster_class="dask_ctl.create_cluster"))
def doubled(n):
    return double.map(range(n)).result()


if __name__ == "__main__":
    print(doubled(10))
