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

NUMBERED_QUESTION = "Question {number}: {question}"

NEEDLE_IN_A_HAYSTACK_BY_LANGUAGE = {
    "en": NEEDLE_IN_A_HAYSTACK,
    "zh": """\
请阅读下面的文章，只根据文章内容，用一句话回答问题。

<document>
{haystack}
</document>

问题：{question}""",
    "ar": """\
اقرأ النص وأجب عن السؤال في جملة واحدة، اعتمادا على النص وحده.

<document>
{haystack}
</document>

السؤال: {question}""",
}
"""The template in the language of the needle set."""

NEEDLES_IN_A_HAYSTACK_BY_LANGUAGE = {
    "en": NEEDLES_IN_A_HAYSTACK,
    "zh": """\
请阅读下面的文章，只根据文章内容，逐个回答问题，每个回答一句话，各占一行。

<document>
{haystack}
</document>

{questions}""",
    "ar": """\
اقرأ النص وأجب عن كل سؤال في جملة واحدة في سطر مستقل، اعتمادا على النص وحده.

<document>
{haystack}
</document>

{questions}""",
}

NUMBERED_QUESTION_BY_LANGUAGE = {
    "en": NUMBERED_QUESTION,
    "zh": "问题 {number}：{question}",
    "ar": "السؤال {number}: {question}",
}

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
