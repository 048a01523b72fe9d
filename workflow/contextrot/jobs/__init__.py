"""What a job is to the person and the run that started it: one clear message, and an end with them."""
