"""Alerts of commands that run for long: whoever is called at night wants one call for one trouble, and its end.

An alert is known by its key; while it lasts it is repeated once an hour at most, also by another process that finds the
state file of this one. When very much happens at once a receiver is told the first of it, and how much is held back.
"""
