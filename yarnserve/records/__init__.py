"""The nouns: frozen dataclasses and state names, in YARN's, HDFS's and TF Serving's own words. No I/O, no clock."""
