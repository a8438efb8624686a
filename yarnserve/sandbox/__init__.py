"""A mock ResourceManager, NodeManager, HDFS and TF Serving that behave; shipped, because users run it."""
