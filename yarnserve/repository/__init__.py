"""The model repository on HDFS: which versions stand there, and how a new one gets there whole."""
