"""Beside a model server, in a container or on a host: brings its models, steers it, watches it, drains it."""
