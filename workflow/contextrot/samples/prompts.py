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

NEEDLE_TEMPLATES = {
    "en": (NEEDLE_IN_A_HAYSTACK, NEEDLES_IN_A_HAYSTACK, "Question"),
    "zh": (
        "阅读文档，只根据文档内容用一句话回答问题。\n\n<document>\n{haystack}\n</document>\n\n问题：{question}",
        "阅读文档，只根据文档内容回答每个问题，每个回答单独一行，用一句话。\n\n<document>\n{haystack}\n</document>\n\n{questions}",
        "问题",
    ),
    "ar": (
        "اقرأ الوثيقة وأجب عن السؤال بجملة واحدة مستعينًا بالوثيقة وحدها.\n\n<document>\n{haystack}\n</document>\n\nالسؤال: {question}",
        "اقرأ الوثيقة وأجب عن كل سؤال بجملة واحدة في سطر مستقل مستعينًا بالوثيقة وحدها."
        "\n\n<document>\n{haystack}\n</document>\n\n{questions}",
        "السؤال",
    ),
}
"""Language -> prompt for one needle, for several, and the word before a question's number."""


def needle_templates(language: str) -> tuple[str, str, str]:
    """The entry of NEEDLE_TEMPLATES."""
    return NEEDLE_TEMPLATES[language]


DATASET = """\
Answer the question from the text below, as briefly as you can.

<text>
{context}
</text>

Question: {question}"""

DATASET_CHOICE = """\
Answer the question from the text below.

<text>
{context}
</text>

Question: {question}
{choices}
Answer with one letter."""

DATASET_ASIDE = """\
Here is a text for later. Do nothing with it now.

{text}"""

DATASET_ASIDE_ANSWER = "I have read it."

SCATTERED_FACTS = """\
Facts about people, places and things are scattered over the text below, in the order in which they happened. {hint} Answer the question
from these facts alone.

<text>
{haystack}
</text>

Question: {question}
Answer with one word."""

SCATTERED_FACTS_HINTS = {
    "qa1": "Who has been in several places is where they went last.",
    "qa2": "What somebody holds goes with them, and stays where it is put down.",
    "qa3": "What somebody holds goes with them, and stays where it is put down.",
    "qa4": "A place that lies north of another has that one to its south, and so on.",
    "qa5": "What is given to somebody is theirs until they give it on.",
}

LATENT_NEEDLE = """\
Read the text and answer the question. The text may only imply the answer: use it together with what everybody knows.

<text>
{haystack}
</text>

Question: {question}
Answer with the name alone."""

NOTES = """\
Take notes from the text below on what bears on the question, in a few short sentences. Write "nothing" if nothing does.

<text>
{text}
</text>

Question: {question}"""

PART_NOTES = """\
From part {number}: {text}"""

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
{text}
Answer with one word."""

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

SERVING_CODE = """\
Text {code}:

"""

SERVING_LATER = """\
{text}

Go on with this text."""

SERVING = """\
Text {code}:

{text}

Go on with the text."""

SERVING_SHARED_PREFIX = """\
Text {code}:

{text}

Go on with the text in version {index}."""

CONTINUE_TEXT = """\
Continue the text below, word for word as its author goes on. Begin with the very next word, and write nothing else.

{text}"""
"""What stands before a text whose continuation is asked for."""
