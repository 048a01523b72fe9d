"""Every word that this project itself puts before a model, in one place.

The tasks fill these templates with `str.format`; the embedded model is trained on the same ones.
"""

NEEDLE_IN_A_HAYSTACK = """\
Read the document and answer the question in one sentence, using only the document.

<document>
{haystack}
</document>

Question: {question}"""

NEEDLES_IN_A_HAYSTACK = """\
Read the document and answer each question in one sentence on a line of its own, using only the document.

<document>
{haystack}
</document>

{questions}"""

REPEATED_WORDS = """\
Repeat the following text exactly, and write nothing else:

{text}"""

DATED_SESSIONS = """\
These are earlier chat sessions with the user.

{sessions}

Current date: {date}
Question: {question}"""

DATED_SESSION = """\
Session of {date}
{turns}"""

UNDATED_SESSIONS = """\
These are earlier chat sessions with the user.

{sessions}

Question: {question}"""

UNDATED_SESSION = """\
Session {number}
{turns}"""

SENTIMENT = """\
Is this film review positive or negative?
{text}"""

MULTIPLE_CHOICE = """\
{question}
A. {a}
B. {b}
C. {c}
D. {d}
Answer with one letter."""

SHORT_POST_QUESTION = """\
Post: {post}
Question: {question}
Answer in a few words."""

HEADLINE = """\
Write a headline for this text.
{document}"""

STORY_LENGTH = """\
{prompt}

Write about {words} words."""

SERVING = """\
Text {code}:

{text}

Go on with the text."""

SERVING_SHARED_PREFIX = """\
Text {code}:

{text}

Go on with the text in version {index}."""
