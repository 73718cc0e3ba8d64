import os

from dask.distributed import LocalCluster


def workstation(share=1.0, asynchronous=False):
    """A cluster with a share of this machine's cores."""
    workers = max(1, int(share * os.cpu_count()))
    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        dashboard_address=":0",
        asynchronous=asynchronous,
    )


class Site(LocalCluster):
    """The cluster of this site, with its defaults."""

    def __init__(self, **kwargs):
        super().__init__(**{"n_workers": 2, "dashboard_address": ":0", **kwargs})
