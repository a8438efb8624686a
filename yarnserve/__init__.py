"""yarnserve: keeps N healthy TensorFlow Serving replicas answering on a YARN cluster, and says honestly how they are."""

__version__ = "0.1.0"
