#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes logits_<model>.json: greedy tokens and logits that transformers computes from the same GGUF file in float32.

    python3 make_logits_golden.py MODEL.gguf logits_MODEL.json

Needs torch, transformers, accelerate and gguf (made with torch 2.15.0, transformers 5.23.0). The file holds, for each of 20 prompts, the prompt's
tokens, 64 greedy tokens with the margin of the closest decision among them, and for every third prompt the logits after the last
prompt token: the 64 largest and every 997th.
"""
import json
import os
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

NEW_TOKENS = 64
PLAIN = [
    "The capital of France is",
    "def fibonacci(n):\n    ",
    "Once upon a time, in a village by the sea,",
    "1, 1, 2, 3, 5, 8, 13,",
    "import numpy as np\n\nx = np.linspace(0, 1, 100)\n",
    "Water boils at 100 degrees",
    "SELECT name, COUNT(*) FROM users",
    "La philosophie est",
    "// Returns the largest of three numbers.\nint largest(int a, int b, int c) {",
    "A train leaves the station at 9 o'clock with a speed of 60 km/h. Another one",
]
CHAT = [
    "What is 17 + 25?",
    "Write a haiku about autumn leaves.",
    "Tom has 3 boxes with 12 pencils each. He gives away 7 pencils. How many are left?",
    "Explain in one sentence why the sky is blue.",
    "Write a Python function that reverses a list without using reversed().",
    "List four prime numbers above 50.",
    "Translate 'good morning' into Spanish, German and Italian.",
    "A rectangle is 4 cm wide and 9 cm long. What are its area and its perimeter?",
    "Name three uses of a paper clip.",
    "Repeat this list backwards: " + ", ".join(str(i * 7 % 101) for i in range(60)) + ".",
]


def main(path, out):
    torch.set_num_threads(int(os.environ.get("THREADS", "2")))
    folder, name = os.path.split(os.path.abspath(path))
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=name)
    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name, dtype=torch.float32)
    if hasattr(model, "dequantize"):
        try:
            model = model.dequantize()
        except Exception as error:  # already dense
            print("dequantize:", error, file=sys.stderr)
    model.eval()
    packed = [n for n, p in model.named_parameters() if p.dtype != torch.float32]
    assert not packed, f"not float32: {packed[:5]}"
    chats = [f"<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"
             for text in CHAT]
    cases = []
    for number, text in enumerate(PLAIN + chats):
        prompt = tokenizer(text, add_special_tokens=False)["input_ids"]
        tokens, margins, cache, feed, first = [], [], None, torch.tensor([prompt]), None
        with torch.no_grad():
            for _ in range(NEW_TOKENS):
                result = model(feed, past_key_values=cache, use_cache=True)
                cache, logits = result.past_key_values, result.logits[0, -1]
                first = logits if first is None else first
                top = torch.topk(logits, 2)
                margins.append(float(top.values[0] - top.values[1]))
                tokens.append(int(torch.argmax(logits)))
                feed = torch.tensor([[tokens[-1]]])
        case = {"prompt": prompt, "tokens": tokens, "closest": round(min(margins), 6)}
        if number % 3 == 0:
            top = torch.topk(first, 64)
            case["top"] = [[int(i), round(float(v), 5)] for i, v in zip(top.indices, top.values)]
            case["every_997th"] = [round(float(v), 5) for v in first[::997]]
        cases.append(case)
        print(number, len(prompt), case["closest"], repr(tokenizer.decode(tokens))[:100], file=sys.stderr, flush=True)
    with open(out, "w") as file:
        file.write(json.dumps(cases, separators=(",", ":")).replace('},{"prompt"', '},\n{"prompt"') + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
