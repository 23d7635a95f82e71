#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Tokens a second of PyTorch's full fine-tuning (transformers, AdamW, loss on every token): bfloat16 autocast over float32 weights, or pure bfloat16.

  pip install torch transformers
  ./bazelw run //runners:model -- export smollm2-135m-instruct /tmp/smol
  python3 bench/peers/torch_train.py /tmp/smol --batch 8 --length 256
"""

import argparse
import json
import time

import torch
from transformers import AutoModelForCausalLM


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--batch", type=int, default=8, help="examples a step")
    parser.add_argument("--length", type=int, default=256, help="tokens of an example")
    parser.add_argument("--steps", type=int, default=3, help="after one that is not counted")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--pure", action="store_true", help="weights, gradients and moments in bfloat16 too")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    dtype = torch.bfloat16 if arguments.pure else torch.float32
    model = AutoModelForCausalLM.from_pretrained(arguments.model, torch_dtype=dtype)
    model.config.use_cache = False
    model.train()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-5, weight_decay=0.1)
    generator = torch.Generator().manual_seed(1)
    seconds = []
    for step in range(arguments.steps + 1):
        tokens = torch.randint(5, model.config.vocab_size - 5, (arguments.batch, arguments.length), generator=generator)
        start = time.monotonic()
        optimiser.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=not arguments.pure):
            loss = model(input_ids=tokens, labels=tokens).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        if step > 0:
            seconds.append(time.monotonic() - start)
    seconds.sort()
    median = seconds[len(seconds) // 2]
    print(json.dumps({"tokens_per_second": arguments.batch * arguments.length / median, "seconds": seconds, "loss": loss.item()}))


if __name__ == "__main__":
    main()
