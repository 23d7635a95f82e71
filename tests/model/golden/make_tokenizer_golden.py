# SPDX-License-Identifier: Apache-2.0
"""Writes tokenizer.json: 2,200 varied strings and what the `tokenizers` library makes of them, set up as each model's publisher does.

transformers' own reading of a GGUF file knows neither smollm's single digits nor qwen2's NFC, so the reference is put together here
from the file's vocabulary and merges. Run with gguf 0.19.0 and tokenizers 0.23.3:
    python make_tokenizer_golden.py QWEN.gguf SMOLLM.gguf tokenizer.json
With --witness, llama-cpp-python 0.3 reads the same strings too and the differences are counted (its qwen2 has no NFC, so it is handed
normalised text).
"""
import argparse
import hashlib
import json
import random
import struct

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

QWEN2_PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")


class Reference:
    """The publisher's tokenizer twice: with its special tokens and without."""

    def __init__(self, path):
        from gguf import GGUFReader
        fields = GGUFReader(path).fields
        tokens = fields["tokenizer.ggml.tokens"].contents()
        types = fields["tokenizer.ggml.token_type"].contents()
        merges = [tuple(merge.split(" ")) for merge in fields["tokenizer.ggml.merges"].contents()]
        self.pre = fields["tokenizer.ggml.pre"].contents()
        vocabulary = {token: i for i, token in enumerate(tokens)}
        self.specials = [token for token, kind in zip(tokens, types) if kind in (3, 4)]
        self.plain, self.parse = self.build(vocabulary, merges), self.build(vocabulary, merges)
        self.parse.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in self.specials])

    def build(self, vocabulary, merges):
        tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges))
        if self.pre == "qwen2":
            tokenizer.normalizer = normalizers.NFC()
            split = pre_tokenizers.Split(Regex(QWEN2_PATTERN), "isolated")
            byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        else:
            split = pre_tokenizers.Digits(individual_digits=True)
            byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
        return tokenizer

    @staticmethod
    def ids(tokenizer, text):
        return tokenizer.encode(text, add_special_tokens=False).ids


SENTENCES = """The quick brown fox jumps over 13 lazy dogs, doesn't it? It's 3.14159 (approx.)!
Ça alors ! « Où est-il né, à Mâcon ? » demanda-t-elle — en 1987…
Der Fluß fließt über die Straße; „Grüße aus Köln“, sagte Jürgen um 7:30 Uhr.
Съешь же ещё этих мягких французских булок, да выпей чаю — 25 рублей.
Ξεσκεπάζω τὴν ψυχοφθόρα βδελυγμία· 12 φορές;
敏捷的棕色狐狸跳過了懶狗。共有１２３隻,價格¥45.6!
いろはにほへと ちりぬるを。カタカナ、ｶﾀｶﾅ、漢字１２３。
다람쥐 헌 쳇바퀴에 타고파. 합계는 42입니다.
نص حكيم له سر قاطع وذو شأن عظيم ١٢٣٤ مكتوب على ثوب أخضر.
דג סקרן שט בים מאוכזב ולפתע מצא חברה; מחיר: ₪99.
ऋषियों को सताने वाले दुष्ट राक्षसों के राजा १२३ का सर्वनाश।
เป็นมนุษย์สุดประเสริฐเลิศคุณค่า ๑๒๓
Pchnąć w tę łódź jeża lub ośm skrzyń fig. Źródło: ¾ ½ ⅓.
Vừa tới Hà Nội, Nguyễn Thị Ánh gặp 2 người bạn.
আমার সোনার বাংলা ২০২৪ | தமிழ் மொழி ௧௨௩ | ಕನ್ನಡ | తెలుగు | മലയാളം | ગુજરાતી
ქართული ენა | Հայերեն լեզու | አማርኛ ፩፪፫ | ᎠᏂᏴᏫᏯ | ខ្មែរ ១២ | မြန်မာ ၁၂ | བོད་ཡིག ༡༢ | ᠮᠣᠩᠭᠣᠯ
def f(x: int) -> int:\n    return x**2 + 3*x - 1  # comment\n\nprint(f(10))
for (int i = 0; i < n; ++i) { a[i] += b[i] << 3; }\r\n\tif (x != NULL && *p++) goto end;
import sympy as sp\nx, y = sp.symbols('x y')\nsol = sp.solve([x + y - 7, 2*x - y - 2], [x, y])\n# <answer>{sol[x]}</answer>
SELECT COUNT(*) FROM t WHERE a >= 1.5e-10 AND b LIKE '%x_y%' -- done
<div class="a b">&nbsp;<a href='https://example.org/?q=1&r=%20#z'>link</a></div>
{"key": [1, 2.5, null, true, "v\\u00e9"], "n": -0.0}
$\\frac{1}{2}\\int_0^{\\infty} e^{-x^2}\\,dx = \\frac{\\sqrt{\\pi}}{2}$ and \\(a^{10}_{ij} \\neq \\left[\\begin{matrix}1&0\\\\0&1\\end{matrix}\\right]\\)
\\begin{align*}\nf(x) &= \\sum_{k=1}^{n} \\binom{n}{k} x^k \\\\\n&\\le 2^{n}\n\\end{align*}
Question: Natalia sold clips to 48 of her friends in April, and then she sold half as many in May. #### 72 <<48/2=24>>24
I'M, you'Re, they'LL, we'vE, he'D, don'T, it'S, 'tis, rock'n'roll, o'clock, '\u017f, '\u017fa, 'S1 ''s 's's
e\u0301 a\u030a o\u0302\u0323 \u1e9b\u0323 \u212b \u2126 \u0958 \u1100\u1161\u11a8 \uac00\u11a8 \u0344 \u2adc \ufb1d \U0001d15e
👩‍👩‍👧‍👦 👍🏽 🇩🇪🇫🇷 1️⃣#️⃣ ❤️‍🔥 🏴󠁧󠁢󠁥󠁮󠁧󠁿 😀😃 ☺︎ 🧑🏿‍🚀
x² + y³ = z⁴₁₂ Ⅷ ⅷ ① ⒈ ㊿ ٣٫١٤ ４２ 𝟙𝟚𝟛 𝔘𝔫𝔦 ½⅔ 𐄇 〇一二""".split("\n")
SENTENCES = [sentence.replace("\\n", "\n").replace("\\r", "\r").replace("\\t", "\t") for sentence in SENTENCES]

BLOCKS = [(0x20, 0x7E), (0xA0, 0xFF), (0x100, 0x24F), (0x250, 0x2FF), (0x370, 0x3FF), (0x400, 0x52F), (0x530, 0x58F), (0x590, 0x5FF),
          (0x600, 0x6FF), (0x700, 0x74F), (0x780, 0x7BF), (0x7C0, 0x7FF), (0x840, 0x85F), (0x870, 0x8FF), (0x900, 0x97F), (0x980, 0x9FF),
          (0xA00, 0xA7F), (0xA80, 0xAFF), (0xB00, 0xB7F), (0xB80, 0xBFF), (0xC00, 0xC7F), (0xC80, 0xCFF), (0xD00, 0xD7F), (0xD80, 0xDFF),
          (0xE00, 0xE7F), (0xE80, 0xEFF), (0xF00, 0xFFF), (0x1000, 0x109F), (0x10A0, 0x10FF), (0x1100, 0x11FF), (0x1200, 0x137F),
          (0x13A0, 0x13FF), (0x1400, 0x167F), (0x1680, 0x169F), (0x1700, 0x173F), (0x1780, 0x17FF), (0x1800, 0x18AF), (0x1A00, 0x1AFF),
          (0x1B00, 0x1B7F), (0x1C80, 0x1CFF), (0x1D00, 0x1DFF), (0x1E00, 0x1EFF), (0x1F00, 0x1FFF), (0x2000, 0x206F), (0x2070, 0x209F),
          (0x20A0, 0x20CF), (0x2100, 0x214F), (0x2150, 0x218F), (0x2190, 0x23FF), (0x2460, 0x24FF), (0x2500, 0x27BF), (0x2C00, 0x2DFF),
          (0x3000, 0x30FF), (0x3100, 0x318F), (0x3200, 0x33FF), (0x3400, 0x9FFF), (0xA000, 0xA4CF), (0xA640, 0xA7FF), (0xA800, 0xABFF),
          (0xAC00, 0xD7FF), (0xE000, 0xF8FF), (0xF900, 0xFAFF), (0xFB00, 0xFDFF), (0xFE00, 0xFFFD), (0x10000, 0x100FF), (0x10100, 0x1018F),
          (0x105C0, 0x105FF), (0x10D00, 0x10D8F), (0x10E60, 0x10FFF), (0x11000, 0x112FF), (0x11300, 0x119FF), (0x11A00, 0x11FFF),
          (0x12000, 0x1247F), (0x13000, 0x1345F), (0x13460, 0x143FF), (0x16100, 0x16DFF), (0x16F00, 0x16FFF), (0x1B000, 0x1B2FF),
          (0x1CC00, 0x1CEBF), (0x1D100, 0x1D3FF), (0x1D400, 0x1D7FF), (0x1DF00, 0x1E2FF), (0x1E4D0, 0x1E5FF), (0x1E800, 0x1E95F),
          (0x1EC70, 0x1ED4F), (0x1F000, 0x1FBFF), (0x20000, 0x2A6DF), (0x2B700, 0x2EE5D), (0x2F800, 0x2FA1F), (0x30000, 0x323AF),
          (0xE0000, 0xE01EF), (0xF0000, 0xFFFFD), (0x100000, 0x10FFFD)]
BLANKS = [chr(c) for c in [9, 10, 11, 12, 13, 0x20, 0x20, 0x20, 0x85, 0xA0, 0x1680, 0x180E, *range(0x2000, 0x2010), 0x2028, 0x2029, 0x202F,
                           0x205F, 0x2060, 0x3000, 0xFEFF, 0x1C, 0x1D, 0x1E, 0x1F]]
MARKS = [chr(c) for a, b in [(0x300, 0x36F), (0x483, 0x487), (0x591, 0x5BD), (0x64B, 0x65F), (0x7FD, 0x7FD), (0x898, 0x89F), (0x8CA, 0x8FF),
                             (0x93C, 0x93C), (0x94D, 0x94D), (0xC3C, 0xC3C), (0x1AB0, 0x1ACE), (0x1DC0, 0x1DFF), (0x20D0, 0x20F0),
                             (0x302A, 0x302F), (0x3099, 0x309A), (0x10F46, 0x10F50), (0x11930, 0x11930), (0x1133B, 0x1133C),
                             (0x1D165, 0x1D169), (0x1E4EC, 0x1E4EF)] for c in range(a, b + 1)]
BASES = list("aeiouAEIOUcnszyKLſøæ") + [chr(c) for c in [0x3B1, 0x3C9, 0x1FBE, 0x915, 0x928, 0x9C7, 0xBC6, 0x304B, 0x30CF, 0x1100, 0x1161, 0x11A8,
                                                        0xAC00, 0xAC01, 0x1EA5, 0x1E69, 0x226A, 0x11935, 0x110A5, 0x105D2, 0x1D157, 0x212B, 0xF900]]
DIGITS = [chr(c) for start in [0x30, 0x660, 0x6F0, 0x7C0, 0x966, 0x9E6, 0xE50, 0xFF10, 0x1D7CE, 0x11F50, 0x10D40, 0x1CCF0, 0x11DE0]
          for c in range(start, start + 10)] + list("²³¹½⅔Ⅷⅷ①⒈㊿𐄇〇")
PIECES = ["'s", "'S", "'ll", "'LL", "'re", "'Ve", "'d", "'", "’s", " ", "  ", "\n", "\r\n", "\n\n", "\t", ".", "!?", "--", "==", "a", "The", "x1", "12",
          "3.5", "ß", "\u200d", "\ufe0f", "\u0301", "👍", "한", "中文", "_", "\\frac", "{", "}", "#", "\x00", "\x7f", "<|", "|>", "<", "\u00ad"]


def characters(generator, alphabet, low, high):
    return "".join(generator.choice(alphabet) for _ in range(generator.randint(low, high)))


def from_block(generator):
    first, last = generator.choice(BLOCKS)
    return "".join(chr(generator.randint(first, last)) + generator.choice(["", "", "", " ", "1", "\n"]) for _ in range(generator.randint(1, 14)))


def shuffled_sentence(generator):
    words = generator.choice(SENTENCES).split(" ")
    first = generator.randrange(len(words))
    text = generator.choice([" ", " ", "  ", "\n", ""]).join(words[first:first + generator.randint(1, 8)])
    return generator.choice([str, str, str.upper, str.title, str.swapcase])(text)


def ill_formed(generator):
    raw = bytearray(generator.choice(SENTENCES).encode()[:generator.randint(1, 40)])
    for _ in range(generator.randint(1, 6)):
        bad = generator.choice([b"\x80", b"\xbf\xbf", b"\xc0\xaf", b"\xc3", b"\xe2\x82", b"\xe0\x80\x80", b"\xed\xa0\x80\xed\xb0\x80", b"\xf0\x9f\x98",
                                b"\xf0\x80\x80\x80", b"\xf4\x90\x80\x80", b"\xf5", b"\xfe\xff", b"\xf0\x9f", b"\xe1\xa0\xc0", generator.randbytes(4)])
        at = generator.randint(0, len(raw))
        raw[at:at + generator.randint(0, 2)] = bad
    return bytes(raw)


def strings(specials, seed=20250301):
    """Text (str), ill-formed bytes, or a list of [unit, count] for a long one."""
    generator = random.Random(seed)
    yield ""
    yield from SENTENCES
    for block in BLOCKS:
        yield "".join(chr(c) for c in range(block[0], min(block[0] + 48, block[1] + 1)))
    yield "".join(map(chr, range(0x100)))
    makers = [
        (250, shuffled_sentence),
        (300, from_block),
        (200, lambda g: "".join(g.choice(BASES) + characters(g, MARKS, 0, 4) for _ in range(g.randint(1, 8)))),
        (200, lambda g: "".join(characters(g, BLANKS, 1, 4) + g.choice(["", "a", "1", "!", "中", "x"]) for _ in range(g.randint(1, 6)))),
        (150, lambda g: "".join(characters(g, DIGITS, 1, 5) + g.choice(["", " ", ".", ",", "a", "  "]) for _ in range(g.randint(1, 5)))),
        (100, lambda g: "".join(chr(g.choice([g.randint(0, 31), g.randint(127, 159), 0x20, 0x41])) for _ in range(g.randint(1, 12)))),
        (350, lambda g: characters(g, PIECES, 1, 14)),
        (100, lambda g: characters(g, ["\n", "\r", "\r\n", " ", "\t", "\u2028", "\x0b", "\x85", "a", ";"], 1, 12)),
        (150, ill_formed),
        (150, lambda g: "".join(g.choice([g.choice(specials), g.choice(specials)[:-1], g.choice(specials)[1:], g.choice(PIECES)]) for _ in range(g.randint(1, 6)))),
    ]
    for count, make in makers:
        for _ in range(count):
            yield make(generator)
    for unit in ["a", " ", "\n", "\r\n", "1", "=", "é", "e\u0301", "中", "👍", "\u0301", "\u0323\u0301", "\u200d", "ab", "xyz ", " \n", "' ", "\x00", "\t", "\u3000", "A\u030a"]:
        for count in [3, 47, 48, 49, 50, 51, 333, 4096]:
            yield [[unit, count]]
        yield [["x", 1], [unit, 777], ["y", 1]]
        yield [[unit, 100], [" ", 37], ["b", 200], [unit, 3]]


def digest(ids):
    return hashlib.sha256(struct.pack(f"<{len(ids)}i", *ids)).hexdigest()


def compact(ids):
    return ids if len(ids) <= 120 else {"count": len(ids), "sha256": digest(ids)}


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("qwen2"), arguments.add_argument("smollm"), arguments.add_argument("out")
    arguments.add_argument("--witness", action="store_true")
    arguments = arguments.parse_args()
    references = {"qwen2": Reference(arguments.qwen2), "smollm": Reference(arguments.smollm)}
    witnesses, different = {}, {}
    if arguments.witness:
        from llama_cpp import Llama
        witnesses = {pre: Llama(model_path=getattr(arguments, pre), vocab_only=True, verbose=False) for pre in references}
        different = {pre: [] for pre in references}
    rows = []
    for item in strings(references["qwen2"].specials + references["smollm"].specials):
        if isinstance(item, list):
            row, raw = {"runs": item}, "".join(unit * count for unit, count in item).encode()
        elif isinstance(item, bytes):
            row, raw = {"hex": item.hex()}, item
        else:
            row, raw = {"text": item}, item.encode()
        text = raw.decode(errors="replace")
        for pre, reference in references.items():
            plain, parsed = reference.ids(reference.plain, text), reference.ids(reference.parse, text)
            row[pre] = compact(plain)
            if parsed != plain:
                row[pre + "_parsed"] = compact(parsed)
            if pre in witnesses and text:
                normal = reference.plain.normalizer.normalize_str(text) if pre == "qwen2" else text
                if witnesses[pre].tokenize(normal.encode(), add_bos=False, special=True) != parsed:
                    different[pre].append(text[:60])
        rows.append(row)
    for pre, texts in different.items():
        print(f"llama.cpp differs from the reference on {len(texts)} of {len(rows)} strings with {pre}; the first: {texts[:12]}")
    lines = ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
    with open(arguments.out, "w", encoding="utf-8", newline="\n") as out:
        out.write(f"[\n{lines}\n]\n")
    print(f"{len(rows)} strings")


if __name__ == "__main__":
    main()
