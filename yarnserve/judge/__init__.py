"""Pure decisions: what was seen becomes a verdict, a difference, a plan. No clock, no randomness, no I/O."""
