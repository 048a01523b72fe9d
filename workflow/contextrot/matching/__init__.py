"""What a text in natural language states: numbers, dates, choices, stances; pure functions, used by tasks and judges."""
