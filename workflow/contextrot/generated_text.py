"""Filler text made by a seeded generator, so that long haystacks repeat no sentence. Every fact in it is invented (CC0)."""

from __future__ import annotations

import random

DOCUMENTS, SENTENCES = 400, 125
"""Size of one generated corpus: 50,000 different sentences, about a million tokens in English."""
LANGUAGES = {"generated": "en", "generated_zh": "zh", "generated_ar": "ar"}
"""Topic -> its language."""
_PARTS = {
    "en": {
        "frames": [
            "In {year}, {person} of {place} recorded {number} {thing} in the {book}.",
            "{person} carried {number} {thing} from {place} to the market before {season} ended.",
            "The {book} kept at {place} says that {person} mended {number} {thing} in {year}.",
            "When {season} came to {place} in {year}, {person} counted {number} {thing} and wrote the sum on a board.",
            "Nobody in {place} knew why {person} had left {number} {thing} beside the mill in {year}.",
            "After the flood of {year}, {number} {thing} were sold at {place}, and {person} paid for most of them.",
        ],
        "first": "Ada Bruno Carla Dario Edda Fergus Greta Hanno Ines Jorund Katya Lorenz Mira Nils Odile Petra Quirin Rosa".split(),
        "last": "Abbot Barlow Crane Dunmore Ellis Fairley Garnet Holt Ives Kestrel Lomond Marsh Norwood Oakes Penrose Rook".split(),
        "place": "Alder Ford,Birch Hollow,Cold Ash,Deepwell,East Quarry,Fern Bridge,Grey Point,High Barrow,Long Meadow,Stone Ferry".split(
            ","
        ),
        "thing": "oak barrels,copper kettles,wool blankets,clay tiles,iron hinges,glass jars,lamp wicks,fishing nets,seed trays".split(
            ","
        ),
        "book": "parish ledger,harbour register,mill journal,guild roll,toll book".split(","),
        "season": "spring,summer,autumn,winter,the harvest".split(","),
    },
    "zh": {
        "frames": [
            "{year}年，{place}的{person}在{book}里记下了{number}件{thing}。",
            "{season}结束以前，{person}从{place}运走了{number}件{thing}，那是{year}年的事。",
            "{place}的{book}上写着，{person}在{year}年修好了{number}件{thing}。",
            "{year}年{season}，{person}在{place}数了{number}件{thing}，把总数写在木板上。",
        ],
        "first": "安平 春生 德明 国华 海燕 建文 丽云 明远 秋月 书兰 文川 晓峰".split(),
        "last": "陈 方 高 何 林 刘 马 沈 孙 王 许 周".split(),
        "place": "柳溪镇 青石桥 白杨村 东河渡 南山坡 北门口 竹林湾 大槐树".split(),
        "thing": "瓷碗 木箱 铜壶 棉布 竹篮 铁锅 渔网 陶罐".split(),
        "book": "账册 日志 村志 船簿".split(),
        "season": "春天 夏天 秋天 冬天".split(),
    },
    "ar": {
        "frames": [
            "في عام {year} سجّل {person} من {place} في {book} ما عدده {number} من {thing}.",
            "نقل {person} من {place} ما عدده {number} من {thing} قبل نهاية {season} عام {year}.",
            "يذكر {book} في {place} أن {person} أصلح {number} من {thing} في عام {year}.",
        ],
        "first": "أحمد بدر جمال حسن خالد رامي سالم طارق عمر فارس كريم نادر".split(),
        "last": "البناء التاجر الحداد الخباز الراعي الصياد العطار الفلاح الكاتب النجار".split(),
        "place": "وادي النخيل,عين الماء,تل الزيتون,جسر الحجر,قرية الرمان,ميناء الشرق".split(","),
        "thing": "الصناديق,الأباريق,البسط,السلال,المصابيح,الشباك,الجرار".split(","),
        "book": "سجل القرية,دفتر الميناء,كتاب السوق".split(","),
        "season": "الربيع,الصيف,الخريف,الشتاء".split(","),
    },
}


def generated_documents(topic: str) -> list[list[str]]:
    """Documents of sentences of which no two are equal; the same on every machine."""
    language = LANGUAGES[topic]
    parts, rng = _PARTS[language], random.Random(f"{topic} 1")
    seen: set[str] = set()
    documents = []
    for _ in range(DOCUMENTS):
        place, document = rng.choice(parts["place"]), []
        while len(document) < SENTENCES:
            first, last = rng.choice(parts["first"]), rng.choice(parts["last"])
            sentence = rng.choice(parts["frames"]).format(
                year=rng.randint(1610, 1989),
                person=last + first if language == "zh" else f"{first} {last}",
                place=place,
                number=rng.randint(11, 4999),
                **{name: rng.choice(parts[name]) for name in ("thing", "book", "season")},
            )
            if sentence not in seen:
                seen.add(sentence)
                document.append(sentence)
        documents.append(document)
    return documents
