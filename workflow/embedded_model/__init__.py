"""The embedded model: a tiny chat model trained from scratch, so that every experiment runs without a download."""
