"""Unstable replicas found, explained and relaunched: the loop around the policy (judge.restart), and what it tells."""
