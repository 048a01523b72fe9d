"""What comes back from a server, read: streams, replies, their ends and faults."""
