"""Machines and containers of a cloud, by dask-cloudprovider."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Final

from dask_ctl.backends.base import Backend
from dask_ctl.backends.signature import with_options
from dask_ctl.exceptions import BackendError

_CLOUDS: Final = (
    "aws", "azure", "digitalocean", "gcp", "hetzner", "ibm", "nebius", "openstack",
)  # fmt: skip
_VENDOR: Final = Path("/sys/class/dmi/id/sys_vendor")


class CloudProvider(Backend):
    """The clusters of dask-cloudprovider, which start machines by a cloud's own service."""

    classes: ClassVar[tuple[str, ...]] = ("dask_cloudprovider.generic.vmcluster.VMCluster",)
    packages = {
        "dask_cloudprovider": "dask-cloudprovider",
        **{f"dask_cloudprovider.{cloud}": f"'dask-cloudprovider[{cloud}]'" for cloud in _CLOUDS},
    }
    by_command = True
    options_of_servers = True

    def takers(self, kwargs: Mapping[str, Any]) -> tuple[list[Any], bool]:
        """They hand what they do not name to their bases, and these to ``SpecCluster``."""
        return [self.target], True

    def when_idle(self, kwargs: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """By its scheduler."""
        return with_options(kwargs, "scheduler_options", idle_timeout=seconds)


class Amazon(CloudProvider):
    """``EC2Cluster``."""

    classes = ("dask_cloudprovider.aws.ec2.EC2Cluster",)
    packages = {
        "boto3": "'dask-cloudprovider[aws]'",
        "botocore": "'dask-cloudprovider[aws]'",
        "aiobotocore": "'dask-cloudprovider[aws]'",
    }
    templates: ClassVar[tuple[str, ...]] = ("ec2",)

    def require(self, kwargs: Mapping[str, Any], env: Mapping[str, str]) -> None:
        """Credentials: without them it asks machines that are not there, one after the other."""
        if kwargs.get("aws_access_key_id") or _given_by_the_machine():
            return
        from botocore.session import get_session

        providers = get_session().get_component("credential_provider")
        providers.remove("iam-role")  # asks the network, and has an answer only on EC2
        if providers.load_credentials() is None:
            raise BackendError(
                "no credentials of Amazon are configured",
                remedy="run 'aws configure' once, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY",
            )


class Containers(Amazon):
    """``ECSCluster``, whose scheduler gets no other options."""

    classes = ("dask_cloudprovider.aws.ecs.ECSCluster",)
    templates = ("fargate",)

    def when_idle(self, kwargs: Mapping[str, Any], seconds: float) -> dict[str, Any]:
        """By its scheduler."""
        return {"scheduler_timeout": f"{seconds:g} seconds", **kwargs}


def _given_by_the_machine() -> bool:
    """Whether a machine or container may get credentials from where it runs."""
    if any(name.startswith("AWS_CONTAINER_CREDENTIALS_") for name in os.environ):
        return True
    try:
        return "amazon" in _VENDOR.read_text(encoding="utf-8").lower()
    except OSError:
        return False


ROOMS = (CloudProvider, Amazon, Containers)
