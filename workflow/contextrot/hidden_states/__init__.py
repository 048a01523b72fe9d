"""The inside of local models: layer states and likelihoods of labels."""
