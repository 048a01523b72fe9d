"""The words of the thirteen prompts."""

NOISE = ["The kettle is on.", "The lamp is lit.", "The door is shut.", "Out we go.", "Home and out again."]
"""The repeated sentences that stand around needles and assignments."""

NEEDLE = "The secret {kind} of {key} is {value}."

NEEDLES = """\
The text below mentions secret {kind}s. Memorize them: you are asked about some of them afterwards.

{haystack}

{question}"""

ONE_VALUE = "What is the secret {kind} of {keys} that the text mentions? Give the {kind} alone."
ALL_VALUES = "What are all the secret {kind}s of {keys} that the text mentions? Give the {kind}s alone."

ASSIGNMENT = "VAR {name} = {value}"

TRACKING = """\
The text below hides assignments of variables. Follow them: a variable that is assigned another variable has that one's value.

For example, in a text that hides
VAR QZPLM = 31415
VAR HJKWE = VAR QZPLM
the variables with the value 31415 are: QZPLM HJKWE

{haystack}

Which variables have the value {value}, be it assigned directly or by way of other variables? List the names of all {count} of them."""

COMMON_WORDS = """\
Below is a numbered list of words. Some of them stand in it far more often than the others. Remember the most common ones.

For example, in the list
1. tin 2. oak 3. tin 4. elm 5. oak 6. tin 7. oak 8. ash
the 2 most common words are: tin, oak

{text}

What are the {count} most common words of the list above? List them alone."""

FREQUENT_WORDS = """\
Read the following coded text and keep track of how often each coded word stands in it. Ignore the dots.

{text}

Which {count} coded words are the most frequent in the text above, the dots left out? List them alone."""

DOCUMENTS = """\
Answer the question from the documents below. Give the answer alone, without any other words.

{documents}

Answer the question from the documents above. Give the answer alone, without any other words.

Question: {question}"""

DOCUMENT = "Document {number}:\n{text}"
