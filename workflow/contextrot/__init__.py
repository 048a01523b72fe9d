"""How a language model's answers, internals and speed change as its context grows."""

import gc

# Imports, a plan of thousands of jobs and the answers of a run make millions of small objects that live until the end; to look
# through them for garbage again and again is lost time.
gc.set_threshold(200_000, 50, 100)
