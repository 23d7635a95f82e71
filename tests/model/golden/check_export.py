# SPDX-License-Identifier: Apache-2.0
"""Compares an exported folder with the GGUF file it came from, both read by transformers: logits and tokens of some prompts.

    bazel run //runners:model -- export MODEL.gguf FOLDER
    python check_export.py FOLDER logits_MODEL.json    # the logits that were made from the GGUF file itself

Tried with torch 2.15.0 and transformers 5.23.0.
"""
import json
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main(folder, golden):
    torch.set_num_threads(2)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    worst, compared = 0.0, 0
    for case in json.load(open(golden, encoding="utf-8")):
        if "top" not in case:
            continue
        text = tokenizer.decode(case["prompt"])
        assert tokenizer(text, add_special_tokens=False)["input_ids"] == case["prompt"], text
        with torch.no_grad():
            logits = model(torch.tensor([case["prompt"]])).logits[0, -1]
        pairs = [(int(i), v) for i, v in case["top"]] + [(997 * i, v) for i, v in enumerate(case["every_997th"])]
        worst = max([worst] + [abs(float(logits[i]) - v) for i, v in pairs])
        compared += len(pairs)
    chat = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Hi"}]
    print(repr(tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=True)))
    print(f"{type(model).__name__}, tied {model.config.tie_word_embeddings}: {compared} logits, largest difference {worst:.2e}")


if __name__ == "__main__":
    main(*sys.argv[1:])
