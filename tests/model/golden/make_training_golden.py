# SPDX-License-Identifier: Apache-2.0
"""Writes training.json: for tiny models (the formula's weights, as in make_families_golden.py) the losses of 20 steps of PyTorch's AdamW on
batches given by a formula, and the gradient of every tensor at the first and the last step (its norm, and every 97th element).

    python make_training_golden.py training.json

Made with torch 2.15.0 and transformers 5.23.0, in float32.
"""
import json
import sys

import torch

from make_families_golden import BASE, CASES, weights

STEPS, RATE, DECAY, CLIP = 20, 1e-3, 0.1, 1.0
MODELS = ["qwen2", "qwen2_tied", "llama3", "mistral", "phi3"]


def batch(step):
    """Three sequences: tokens, and how many of the last ones are learnt. Token 0 is the padding, whose embedding transformers does not train."""
    return [([(5 * i * i + (step + 3) * i + 7 * s) % 95 + 1 for i in range(length)], learnt)
            for s, (length, learnt) in enumerate([(30, 12), (9, 8), (41, 20)])]


def main(out):
    torch.set_num_threads(1)
    result = {}
    for name in MODELS:
        (config_class, model_class), model_type, changes, _, context = CASES[name]
        config = {"model_type": model_type, "architectures": [model_class.__name__], **BASE, **changes}
        config_object = config_class.from_dict(json.loads(json.dumps(config)))
        config_object._attn_implementation = "eager"
        model = model_class(config_object).to(torch.float32).train()
        state = {key: weights(key, tuple(value.shape)) for key, value in model.state_dict().items() if not (config["tie_word_embeddings"] and key == "lm_head.weight")}
        model.load_state_dict(state, strict=False)
        model.tie_weights()
        named = dict(model.named_parameters())
        decays = [p for p in named.values() if p.dim() > 1]
        others = [p for p in named.values() if p.dim() <= 1]
        optimiser = torch.optim.AdamW([{"params": decays, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}], lr=RATE, betas=(0.9, 0.999), eps=1e-8)
        losses, norms, gradients = [], [], {}
        for step in range(STEPS):
            optimiser.zero_grad()
            total = sum(learnt for _, learnt in batch(step))
            loss = 0
            for tokens, learnt in batch(step):
                logits = model(torch.tensor([tokens])).logits[0]
                first = len(tokens) - learnt
                loss = loss + torch.nn.functional.cross_entropy(logits[first - 1:-1], torch.tensor(tokens[first:]), reduction="sum")
            loss = loss / total
            loss.backward()
            if step in (0, STEPS - 1):
                gradients[str(step)] = {key: {"norm": float(p.grad.norm()), "every_97th": [float(v) for v in p.grad.flatten()[::97]]} for key, p in named.items()}
            norms.append(float(torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)))
            losses.append(float(loss))
            optimiser.step()
        result[name] = {"losses": losses, "norms": norms, "gradients": gradients}
        print(name, losses[0], losses[-1], norms[0])
    with open(out, "w", encoding="utf-8", newline="\n") as file:
        json.dump(result, file, separators=(",", ":"))
        file.write("\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
