"""Keeps N healthy TensorFlow Serving replicas answering on YARN, and says honestly how they are."""

__version__ = "0.1.0"
