"""The one place that acts: lease held, state read again right before a write, every act recorded."""
