"""What the rules look up, and when a job is stale."""
