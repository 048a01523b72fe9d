"""Asking: the client, its pace, its store, its ledger; one file of answers a job."""
