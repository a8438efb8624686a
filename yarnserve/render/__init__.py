"""ServiceSpec and cluster facts -> YARN Services JSON."""
