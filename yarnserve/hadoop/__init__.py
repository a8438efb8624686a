"""Common ground of everything Hadoop over HTTP: configuration, authentication, sessions, endpoint choice."""
