"""Common ground of everything Hadoop over HTTP: configuration XML, authentication, sessions, endpoint choice, errors."""
