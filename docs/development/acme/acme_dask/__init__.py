"""Dask clusters of the machines of Acme."""

from acme_dask.cluster import AcmeCluster

__all__ = ["AcmeCluster"]
