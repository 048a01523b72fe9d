"""Quick check of a model folder on the project's tasks, in process and greedy: `python -m embedded_model.evaluate`.

The workflow measures the same through a server, with all conditions; this is for training and for the model card.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
import yaml
from transformers import AutoModelForCausalLM, AutoTokenizer

from contextrot.matching.match import match
from contextrot.samples import prompts
from contextrot.tasks.repeated_words.task import measure
from embedded_model.chat_memory import generate, load_passages
from embedded_model.conversations import render_sessions
from embedded_model.heldout import EVALUATED_PAIRS
from embedded_model.needles import plant

Message = dict[str, str]


def contains(reply: str, gold: str) -> bool:
    """Whether the judge `match` finds the gold answer in the reply."""
    return match(gold, reply) is not None


class Examiner:
    """A model folder with the evaluation data around it."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.data = data
        self.tasks = data / "tasks"

    def rendered(self, messages: list[Message]) -> list[int]:
        """Token ids of a chat, the start of the answer included."""
        return self.tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)

    @torch.inference_mode()
    def reply(self, messages: list[Message], limit: int = 60) -> str:
        """Greedy answer."""
        ids = torch.tensor([self.rendered(messages)])
        out = self.model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=limit, do_sample=False)
        return self.tokenizer.decode(out[0, ids.shape[1] :], skip_special_tokens=True).strip()

    def ask(self, prompt: str, limit: int = 60) -> str:
        """Greedy answer to a single prompt."""
        return self.reply([{"role": "user", "content": prompt}], limit)

    def jsonl(self, name: str) -> list[dict]:
        """Lines of a task file."""
        return [json.loads(line) for line in (self.tasks / name).read_text(encoding="utf-8").splitlines()]

    def niah(self, rng: np.random.Generator, tokens: int, distractors: int, trials: int) -> list[bool]:
        """High-similarity needles at random depths in prompts of at most `tokens` rendered tokens."""
        sets = [s for s in yaml.safe_load((self.tasks / "needles.yaml").read_text()) if s["similarity"] == "high"]
        articles = list(load_passages(self.data / "essays").values())
        right = []
        for trial in range(trials):
            needle = sets[trial % len(sets)]
            sentences = [s for i in rng.permutation(len(articles)) for s in articles[i]][: tokens // 8]
            planted = [needle["needle"], *(d["text"] for d in needle["distractors"][:distractors])]
            # One random place, as a share of the document, per planted text.
            seed = int(rng.integers(2**31))

            def prompt(count: int, sentences=sentences, planted=planted, seed=seed, needle=needle) -> str:
                document = plant(np.random.default_rng(seed), sentences[:count], planted)
                return prompts.NEEDLE_IN_A_HAYSTACK.format(haystack=document, question=needle["question"])

            low, high = 0, len(sentences)
            while low < high:
                middle = (low + high + 1) // 2
                fits = len(self.rendered([{"role": "user", "content": prompt(middle)}])) <= tokens
                low, high = (middle, high) if fits else (low, middle - 1)
            answer = self.ask(prompt(low))
            right.append(contains(answer, needle["answer"]))
            self.last = (needle["question"], answer)
        return right

    def repeated(self, rng: np.random.Generator, count: int, trials: int) -> list[float]:
        """Normalised Levenshtein similarity of repeated words, in characters."""
        scores = []
        for trial in range(trials):
            word, other = EVALUATED_PAIRS[trial % len(EVALUATED_PAIRS)]
            place = int(rng.integers(count))
            words = [word] * count
            words[place] = other
            text = " ".join(words)
            answer = self.ask(prompts.REPEATED_WORDS.format(text=text), 2 * count + 20)
            scores.append(measure(answer, word, other, count, place)["score"])
            self.last = (f"{word} x {count}", f"{len(answer.split())} words, {answer[:60]}")
        return scores

    def sentiment(self, limit: int, history: list[Message]) -> list[bool]:
        """Exact label."""
        items = self.jsonl("sentiment.jsonl")[:limit]
        prompt = prompts.SENTIMENT
        return [
            self.reply([*history, {"role": "user", "content": prompt.format(text=i["text"])}], 8).strip().lower().strip(".")
            == i["label"]
            for i in items
        ]

    def multiple_choice(self, limit: int) -> tuple[list[bool], list[bool]]:
        """(in the format, right)"""
        shape, right = [], []
        for item in self.jsonl("multiple_choice.jsonl")[:limit]:
            options = dict(zip("abcd", item["choices"], strict=True))
            answer = self.ask(prompts.MULTIPLE_CHOICE.format(question=item["question"], **options), 8)
            shape.append(answer in ("A", "B", "C", "D"))
            right.append(answer == "ABCD"[item["answer"]])
            self.last = (item["question"], answer)
        return shape, right

    def posts(self, limit: int) -> list[bool]:
        """Any of the accepted answers contained."""
        right = []
        for item in self.jsonl("short_posts_qa.jsonl")[:limit]:
            answer = self.ask(prompts.SHORT_POST_QUESTION.format(post=item["post"], question=item["question"]), 30)
            right.append(any(contains(answer, gold) for gold in item["answers"]))
            self.last = (item["question"], answer)
        return right

    def chat(self, rng: np.random.Generator, questions: int, full: bool) -> list[tuple[str, bool]]:
        """(question type, right) on dated sessions, focused or full."""
        right = []
        passages = load_passages(self.data / "essays")
        for item in generate(rng, questions, "evaluation", passages, history_tokens=(2000, 2400)):
            pairs = zip(item["haystack_sessions"], item["haystack_dates"], item["haystack_session_ids"], strict=True)
            kept = [(s, d) for s, d, i in pairs if full or i in item["answer_session_ids"]]
            dates = [d for _, d in kept] + [item["question_date"]]
            prompt = render_sessions([s for s, _ in kept], dates, item["question"])
            if len(self.rendered([{"role": "user", "content": prompt}])) > 4000:
                continue
            answer = self.ask(prompt, 40)
            kind = "abstention" if item["question_id"].endswith("_abs") else item["question_type"]
            right.append((kind, contains(answer, item["answer"])))
            self.last = (item["question"], f"{answer} [{item['answer']}]")
        return right


def report(name: str, values: Sequence[float], say: Callable[..., None] = print) -> None:
    """One line: mean, n and Wilson's interval."""
    from statsmodels.stats.proportion import proportion_confint

    mean, n = float(np.mean(values)), len(values)
    low, high = proportion_confint(mean * n, n, method="wilson")
    say(f"{name:34s} {mean:.3f}  n={n}  [{low:.2f}, {high:.2f}]", flush=True)


def examine_needles(examiner: Examiner, n: int, lengths: Sequence[int], show: Callable[[], None]) -> None:
    """Needles by length, without and with distractors."""
    for tokens in lengths:
        for distractors in (0, 4):
            rng = np.random.default_rng(tokens)
            report(f"niah {tokens} tokens, {distractors} distractors", examiner.niah(rng, tokens, distractors, n))
            show()


def examine_words(examiner: Examiner, n: int, counts: Sequence[int], show: Callable[[], None]) -> None:
    """Repeated words by count."""
    for count in counts:
        report(f"repeated words {count}", examiner.repeated(np.random.default_rng(count), count, max(4, n // 5)))
        show()


def examine_short(examiner: Examiner, n: int, show: Callable[[], None]) -> None:
    """Sentiment without and with a history of posts, multiple choice, posts."""
    report("sentiment, no history", examiner.sentiment(5 * n, []))
    history = [
        message
        for item in examiner.jsonl("short_posts_qa.jsonl")[-4:]
        for message in (
            {"role": "user", "content": prompts.SHORT_POST_QUESTION.format(**item)},
            {"role": "assistant", "content": item["answers"][0]},
        )
    ]
    report("sentiment, after 4 posts", examiner.sentiment(5 * n, history))
    shape, right = examiner.multiple_choice(3 * n)
    report("multiple choice, one letter", shape)
    report("multiple choice, right", right)
    show()
    report("short posts", examiner.posts(3 * n))
    show()


def examine_sessions(examiner: Examiner, n: int, show: Callable[[], None]) -> None:
    """Dated sessions, focused and full."""
    for full in (False, True):
        answers = examiner.chat(np.random.default_rng(7), 2 * n, full)
        report(f"dated sessions, {'full' if full else 'focused'}", [right for _, right in answers])
        show()
        for kind in sorted({kind for kind, _ in answers}):
            report(f"  {kind}", [right for k, right in answers if k == kind])


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, default=Path("data/models/embedded"))
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--tasks", nargs="*", default=["needles", "words", "short", "sessions"])
    parser.add_argument("--lengths", type=int, nargs="*", default=[256, 512, 1024, 2048, 3072, 4000])
    parser.add_argument("--counts", type=int, nargs="*", default=[25, 50, 100, 250])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--verbose", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    examiner, n = Examiner(arguments.model, arguments.data), arguments.trials

    def show() -> None:
        if arguments.verbose:
            print("   ", *examiner.last, sep=" | ", flush=True)

    if "needles" in arguments.tasks:
        examine_needles(examiner, n, arguments.lengths, show)
    if "words" in arguments.tasks:
        examine_words(examiner, n, arguments.counts, show)
    if "short" in arguments.tasks:
        examine_short(examiner, n, show)
    if "sessions" in arguments.tasks:
        examine_sessions(examiner, n, show)


if __name__ == "__main__":
    main()
