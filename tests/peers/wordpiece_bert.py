"""Which ids does transformers' BertTokenizer give to texts of many scripts?

Writes tests/fixtures/wordpiece.json: a made-up vocabulary, texts, and their ids with and without capitals, and cut. A unit test of
crates/data-loader/src/subwords/vocabulary.rs compares ours with these.

    python3 -m venv /tmp/peer && /tmp/peer/bin/pip install transformers    # 5.24 wrote the file
    /tmp/peer/bin/python tests/peers/wordpiece_bert.py                     # keeps the committed seed
    /tmp/peer/bin/python tests/peers/wordpiece_bert.py 12345 FILE          # another seed, elsewhere

`FIREBOX_WORDPIECE=FILE` makes the test read that. Transformers has BERT's tokenizer twice, once on the same crate as ours and once, from
its first days, in plain Python; the script says which texts the two read otherwise. These are few: plain Python composes accents where
they stay, and knows the Σ at the end of a word and which characters are of no use to anybody.
"""

import json
import pathlib
import random
import sys
import tempfile

import transformers
from transformers import BertTokenizer
from transformers.models.bert.tokenization_bert_legacy import BertTokenizerLegacy

SEED = int(sys.argv[1]) if len(sys.argv) > 1 else 20262
rng = random.Random(SEED)
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
CUT = 7

SENTENCES = """
The kettle was on, and nobody had thought of the tea.
A film that isn't half as clever as its poster -- but I laughed, twice!
Prices rose by 3.5% to $1,249.99 (about €1.150,00) in 2024.
Write to nobody@example.org or see https://example.org/a_b?c=d&e=f#g.
It's the dog's dinner; they'd've said so, wouldn't they?
Der Bäcker aus Köln fährt über die Brücke, weil die Straße gesperrt ist.
Übermäßig große Füße passen in keine GROẞEN Schuhe.
L'été dernier, la forêt était déjà brûlée : ça m'a coûté cher, n'est-ce pas ?
El niño pequeño comió piñones en la montaña; ¿quién lo vio? ¡Nadie!
Minha avó não quis pôr açúcar no café da manhã.
Il caffè è già finito, perché nessuno è andato al mercato.
Zażółcony płot stoi pod gęstą mgłą, źdźbło za źdźbłem.
Příliš žluťoučký hřebec běží, až se zvedá prach.
Cu ștergarul ud în mână, țăranul își șterge fața.
Işıklı İstanbul'da ılık bir akşam, çığlık yok.
Blåbærsyltetøy på rundstykker, sa hun, er nok for i dag.
Þórður á ærið góðan hest, en hún á ekkert.
Ő tűzfűtőként dolgozott, és örült az árvíztűrő csizmának.
Con mèo ngồi trên mái nhà, đợi trời tạnh mưa để xuống.
Старая лодка лежала на берегу, и ёж спал под ней.
Її дід, Ґеорґій, їв яблука й читав газету.
Кучето тича край реката, а котката ѝ се смее.
Ο παππούς έφερε ψωμί, ελιές και λίγο κρασί· ποιος πεινάει;
Ծեր մարդը նստեց ծառի տակ և լռեց։
ძველი სახლი მთის ძირას დგას და კარი ღიაა.
הילד אכל תפוח, ואחר כך הלך לישון.
בְּרֵאשִׁית הַיּוֹם שָׁתִינוּ קָפֶה.
ذهب الولد إلى السوق واشترى خبزًا وزيتونًا.
گربه روی دیوار نشسته است و می‌خواهد بپرد.
آج بارش ہو رہی ہے، چھتری کہاں ہے؟
बूढ़ा किसान खेत में बैठकर हँस रहा था।
আমার বোন আজ স্কুলে যায়নি, কারণ বৃষ্টি হচ্ছিল।
பூனை மரத்தின் மேல் ஏறி உறங்கியது.
పిల్లి గోడ మీద కూర్చుంది.
ಮಳೆ ಬಂತು, ಆದರೆ ಛತ್ರಿ ಇಲ್ಲ.
പൂച്ച മേശയുടെ അടിയിൽ ഉറങ്ങുന്നു.
බළලා බිත්තිය උඩ නිදා සිටියි.
แมวนอนอยู่บนหลังคาบ้านสีแดง
ແມວນອນຢູ່ເທິງຫລັງຄາ
ကြောင်လေးက ခေါင်မိုးပေါ်မှာ အိပ်နေတယ်။
ឆ្មាដេកលើដំបូលផ្ទះ។
ድመቷ ጣሪያው ላይ ተኛች።
བྱི་ལ་ཐོག་ཁ་ལ་ཉལ་འདུག
今天下雨了,我们在家里喝茶。
昨夜、猫が屋根の上で眠っていた。コーヒーはもう冷めた。
고양이가 지붕 위에서 자고 있어요. 비가 올까요?
Муур дээвэр дээр унтаж байна.
ᓯᓚ ᐊᓐᓄᕋᖅᑐᖅ ᐅᓪᓗᒥ.
𝓕𝓪𝓷𝓬𝔂 letters, ｆｕｌｌ ｗｉｄｔｈ, and ﬁne ligatures.
She said 👍🏽 and left 👩‍👩‍👧 for 🇫🇮, 🧑‍🚀!
∀x∈ℝ: x² ≥ 0 → ½·x ≤ |x|; H₂O ≠ CO₂ ± 5‰
def f(x): return {"a_b": [x**2 - 1, ~x]}  # `code`
naïve café, nai\u0308ve cafe\u0301, ANGSTRO\u0308M \u212b \u1e9b\u0323
""".strip().split("\n")

# What tokenizers are known to stumble over.
ODD = [
    "", " ", "\t\n\r ", "\u00a0\u2003\u3000x\u2009y", "a\u0000b\ufffdc", "soft\u00adhyphen zero\u200bwidth \u200d\ufeffmark",
    "\u0001\u0002 control \u0085 next\u2028line\u2029paragraph", "[CLS] a [SEP] b [PAD] c [MASK] [UNK] [mask] [cls]",
    "x[SEP]y", "##ing ## #", "...---...", "a" * 99, "b" * 100, "c" * 101, "é" * 100 + " " + "É" * 101, "𠀀𠀁㐀豈丽中x中9中",
    "İI ıi ẞß ŉ ǰ ΐ ῼ Σς ΣΑΣ", "\u0301\u0302 alone", "가각\u1100\u1161\u11a8", "x" * 60 + "-" + "y" * 60, "\u2581metaspace Ġbyte",
    "！？。，「」（）：；", "٣٤٥ ๑๒๓ १२३ ⅷ ⑨ Ⅻ", "ﷺ ﺏ ﻼ", "\U000e0041tag \ue000private \U0010ffff",
]


def mixtures(count):
    """Pieces of the sentences next to each other, some with capitals, marks and blanks between them."""
    between = [" ", "", "  ", "-", "/", ", ", "\u00a0", "\n", "'", "。", "\u0301", "\u200d", "_", "·"]
    found = []
    for _ in range(count):
        parts = []
        for _ in range(rng.randint(1, 9)):
            sentence = rng.choice(SENTENCES)
            begin = rng.randrange(len(sentence))
            part = sentence[begin:begin + rng.randint(1, 12)]
            parts += [rng.choice([part, part, part.upper(), part.title(), part.swapcase()]), rng.choice(between)]
        found.append("".join(parts))
    return found


def vocabulary(texts, tokenizers):
    """Words, beginnings and ends of every second text, some single characters, and the marks, at lines drawn by chance."""
    pieces = {"[unused0]", "[unused1]"}
    for tokenizer in tokenizers:
        for text in texts[::2]:
            for word in tokenizer.basic_tokenizer.tokenize(text):
                place = rng.randint(1, len(word))
                pieces.update(rng.sample([word, word[:place], "##" + word[place:], "##" + word[place:place + 3]], 2))
                pieces.update(c for k, c in enumerate(word) if rng.random() < 0.25)
                pieces.update("##" + c for c in word[1:] if rng.random() < 0.15)
    # What no line can hold, and what would be there twice.
    lines = sorted(piece for piece in pieces if piece.strip("#").strip() and piece not in SPECIAL and len(piece) < 40)
    rng.shuffle(lines)
    for token in SPECIAL:
        lines.insert(rng.randrange(len(lines)), token)
    return lines


def main():
    texts = SENTENCES + ODD + mixtures(200 - len(SENTENCES) - len(ODD))
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "vocab.txt"
        file.write_text("\n".join(SPECIAL) + "\n", encoding="utf-8")
        splitters = [BertTokenizerLegacy(str(file), do_lower_case=lower) for lower in (True, False)]
        lines = vocabulary(texts, splitters)
        file.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")
        found = {"seed": SEED, "versions": {"transformers": transformers.__version__}, "vocabulary": lines, "texts": texts, "cut": CUT}
        for name, lower in (("uncased", True), ("cased", False)):
            quick = BertTokenizer(vocab={line: id for id, line in enumerate(lines)}, do_lower_case=lower)
            plain = BertTokenizerLegacy(str(file), do_lower_case=lower)
            found[name] = [quick(text)["input_ids"] for text in texts]
            found[f"{name}_cut"] = [quick(text, truncation=True, max_length=CUT)["input_ids"] for text in texts]
            differ = [text for text, ids in zip(texts, found[name]) if plain(text)["input_ids"] != ids]
            print(f"{name}: {len(texts)} texts, {len(differ)} of which plain Python reads otherwise: {differ}")
    unknown = lines.index("[UNK]")
    ids = [id for name in ("uncased", "cased") for text in found[name] for id in text]
    print(f"{len(lines)} lines; {ids.count(unknown)} of {len(ids)} ids are unknown")
    path = pathlib.Path(sys.argv[2] if len(sys.argv) > 2 else pathlib.Path(__file__).parents[1] / "fixtures/wordpiece.json")
    rows = ",\n".join(f"{json.dumps(key)}: {json.dumps(value, separators=(',', ':'), ensure_ascii=False)}" for key, value in found.items())
    path.write_text("{\n" + rows + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
