"""What dask_ctl must know of Acme's clusters, and of no other."""

import os

from acme_dask import service
from dask_ctl.backends import Backend, Sighting
from dask_ctl.exceptions import BackendError, Problem


class Acme(Backend):
    """The room of `AcmeCluster`."""

    classes = ("acme_dask.cluster.AcmeCluster",)
    public_name = "acme_dask.AcmeCluster"
    packages = {"acme_dask": "acme-dask"}
    templates = ("acme",)
    by_command = True
    service = "acme"

    def takers(self, kwargs):
        """Its ``**options`` are those of its machines, and nothing else."""
        return [self.target, service.start], True

    def problems(self, kwargs):
        """Acme has no more than ten machines."""
        if isinstance(kwargs.get("size"), int) and kwargs["size"] > 10:
            yield Problem("Acme has ten machines", "ask for fewer", key="kwargs.size")

    def require(self, kwargs, env):
        """Who asks for machines must have a token."""
        if "ACME_TOKEN" not in env:
            raise BackendError("there is no token of Acme", remedy="set ACME_TOKEN")

    def plan(self, args, kwargs):
        """What would be ordered."""
        return f"{kwargs.get('size', 1)} machines of flavour {kwargs.get('flavour', 'plain')}\n"

    def delete(self, name, arguments, deadline):
        """Have the service stop it."""
        service.stop(name)

    def logs(self, name, arguments, wanted):
        """What the service keeps, its scheduler dead or alive."""
        wanted.refuse_to_follow(self.name)
        yield "machines", wanted.of(service.log(name))

    @classmethod
    def is_configured(cls):
        """Whether this machine is one of Acme's."""
        return "ACME_HOME" in os.environ

    @classmethod
    async def sightings(cls):
        """What the service has a list of, so that nobody needs to connect to it."""
        for name, said in service.clusters().items():
            known = {"status": "running", "workers": said["size"], "address": said["address"]}
            yield Sighting(name=name, known=known)
