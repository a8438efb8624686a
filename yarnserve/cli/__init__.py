"""The command line: parse, one library call, print. Owns click and rich."""
