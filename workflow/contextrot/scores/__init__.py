"""From answers to numbers: scores, metrics with intervals, paired differences, rot curves."""
