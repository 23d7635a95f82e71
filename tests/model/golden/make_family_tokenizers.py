# SPDX-License-Identifier: Apache-2.0
"""Writes FAMILY.json for each family of tokenizers: a small tokenizer.json with the family's pipeline, trained here, and strings with the
ids that the `tokenizers` library makes of them, special tokens as plain text and parsed.

    python make_family_tokenizers.py FOLDER            # the sample that is committed as tokenizers/
    python make_family_tokenizers.py FOLDER --long 6   # 6 times about 2,300 strings a family

Made with tokenizers 0.23.3. The long files are compared by `ORRERY_TOKENIZER_GOLDEN=FOLDER bazel-bin/tests/model/tokenizer_json_test`.
"""
import argparse
import json
import os

from make_tokenizer_golden import QWEN2_PATTERN, SENTENCES, compact, strings
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

LLAMA3_PATTERN = QWEN2_PATTERN.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
META = "\u2581"
TEXT = SENTENCES * 3 + [s.lower() for s in SENTENCES] + ["1234567890 100 200 2024 1999 3.14"] * 4


def split_by(pattern):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def byte_level(pre, normalizer, specials, **options):
    tokenizer = Tokenizer(models.BPE(**options))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre, decoders.ByteLevel()
    if normalizer:
        tokenizer.normalizer = normalizer
    trainer = trainers.BpeTrainer(vocab_size=900, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tokenizer.train_from_iterator(TEXT, trainer)
    tokenizer.add_tokens(specials)
    return tokenizer


def sentencepiece(normalizer, pre, specials):
    """Trained on pieces that begin at blanks, then put together as a converted SentencePiece model is: bytes first, then the rest."""
    trained = Tokenizer(models.BPE())
    trained.pre_tokenizer = pre_tokenizers.Metaspace(replacement=META, prepend_scheme="always", split=True)
    trained.train_from_iterator(TEXT, trainers.BpeTrainer(vocab_size=900, limit_alphabet=220, show_progress=False))
    model = json.loads(trained.to_str())["model"]
    texts = ["<unk>", "<s>", "</s>"] + [f"<0x{byte:02X}>" for byte in range(256)]
    texts += [text for text, _ in sorted(model["vocab"].items(), key=lambda item: item[1])]
    # As converters do it: any two texts that make up a third may merge, the earliest of those first.
    known = set(texts[259:])
    merges = [(text[:cut], text[cut:]) for text in texts[259:] for cut in range(1, len(text)) if text[:cut] in known and text[cut:] in known]
    tokenizer = Tokenizer(models.BPE(vocab={text: i for i, text in enumerate(texts)}, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    if normalizer:
        tokenizer.normalizer = normalizer
    if pre:
        tokenizer.pre_tokenizer = pre
    steps = [decoders.Replace(META, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    tokenizer.decoder = decoders.Sequence(steps)
    tokenizer.add_special_tokens([AddedToken(text, normalized=False) for text in ["<unk>", "<s>", "</s>"]])
    tokenizer.add_tokens(specials)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", 1)])
    return tokenizer


def special(text, **flags):
    return AddedToken(text, special=True, normalized=False, **flags)


def families():
    legacy = normalizers.Sequence([normalizers.Prepend(META), normalizers.Replace(" ", META)])
    first = pre_tokenizers.Metaspace(replacement=META, prepend_scheme="first", split=False)
    odd = [AddedToken("<tool>", normalized=False), AddedToken("<left>", lstrip=True, normalized=False), AddedToken("<both>", lstrip=True, rstrip=True, normalized=False),
           AddedToken("word", single_word=True, normalized=False), AddedToken("e\u0301 x", normalized=True), AddedToken("(a b)", normalized=True)]
    chatml = [special(text) for text in ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]]
    headers = [special(text) for text in ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]]
    llama3 = byte_level(split_by(LLAMA3_PATTERN), None, headers + odd, ignore_merges=True)
    start = llama3.token_to_id("<|begin_of_text|>")
    template = processors.TemplateProcessing(single="<|begin_of_text|> $A", pair="<|begin_of_text|> $A $B", special_tokens=[("<|begin_of_text|>", start)])
    llama3.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=False), template])
    phi3 = [special(text, rstrip=True) for text in ["<|endoftext|>", "<|assistant|>", "<|system|>", "<|end|>", "<|user|>"]]
    return {
        "qwen2": byte_level(split_by(QWEN2_PATTERN), normalizers.NFC(), chatml + odd),
        "llama3": llama3,
        "gpt2": byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True), None, chatml[:1] + odd),
        "llama2": sentencepiece(legacy, None, odd),
        "mistral": sentencepiece(None, first, [special("[INST]"), special("[/INST]")] + odd),
        "metaspace": sentencepiece(None, pre_tokenizers.Metaspace(replacement=META, prepend_scheme="always", split=True), odd),
        "phi3": sentencepiece(legacy, None, phi3 + odd[:3]),
    }


def rows(tokenizer, seed):
    plain = json.loads(tokenizer.to_str())
    specials = [token["content"] for token in plain["added_tokens"]]
    plain["added_tokens"], plain["post_processor"] = [], None
    plain = Tokenizer.from_str(json.dumps(plain))
    for item in strings(specials + [" " + text + " \n" for text in specials], seed):
        if isinstance(item, list):
            row, raw = {"runs": item}, "".join(unit * count for unit, count in item).encode()
        elif isinstance(item, bytes):
            row, raw = {"hex": item.hex()}, item
        else:
            row, raw = {"text": item}, item.encode()
        text = raw.decode(errors="replace")
        row["plain"] = compact(plain.encode(text, add_special_tokens=False).ids)
        parsed = compact(tokenizer.encode(text, add_special_tokens=False).ids)
        if parsed != row["plain"]:
            row["parsed"] = parsed
        yield row


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder"), arguments.add_argument("--long", type=int, default=0)
    arguments = arguments.parse_args()
    os.makedirs(arguments.folder, exist_ok=True)
    for name, tokenizer in families().items():
        found = [row for seed in range(1, max(arguments.long, 1) + 1) for row in rows(tokenizer, seed)]
        if not arguments.long:
            found = [row for row in found if len(json.dumps(row)) < 700][3::12] + [row for row in found if "parsed" in row][::4]
        lines = ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in found)
        with open(os.path.join(arguments.folder, name + ".json"), "w", encoding="utf-8", newline="\n") as out:
            definition = json.dumps(json.loads(tokenizer.to_str()), ensure_ascii=False, separators=(",", ":"))
            out.write(f'{{"tokenizer":{definition},\n"rows":[\n{lines}\n]}}\n')
        print(name, tokenizer.get_vocab_size(), len(found))


if __name__ == "__main__":
    main()
