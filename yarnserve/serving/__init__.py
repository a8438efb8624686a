"""TF Serving's own words: flags, versions, REST wire format."""
