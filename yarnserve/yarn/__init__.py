"""ResourceManager, services API and NodeManager as typed calls."""
