"""A full host (to come)."""

from .host import Host


class FullHost(Host):
    kind = "full"
