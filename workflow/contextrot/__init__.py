"""How a language model's answers, internals and speed change as its context grows."""
