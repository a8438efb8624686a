"""HDFS over WebHDFS and HttpFS, used safely. Owns the hdfs library."""
