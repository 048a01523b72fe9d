"""The words of the requests."""

REQUEST = "Write me a {form} about {topic}."

QUESTION = (
    "Answer with the text that you wrote when I asked you for the {ordinal} time to write a {form} about {topic}, word for word. Put "
    "{prefix} straight before it, and write nothing else."
)

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
