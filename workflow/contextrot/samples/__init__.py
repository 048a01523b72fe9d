"""What is asked: texts, tokenizers, haystacks, conversations and prompts, exact in tokens."""
