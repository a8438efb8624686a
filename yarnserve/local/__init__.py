"""A service.yaml served on one host without YARN: a container, or a plain process, for each replica."""
