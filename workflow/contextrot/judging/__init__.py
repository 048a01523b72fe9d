"""Whether an answer is right: judges and their agreement."""
