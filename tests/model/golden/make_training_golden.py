# SPDX-License-Identifier: Apache-2.0
"""Writes training.json, and scoring.json for reward models: for tiny models (the formula's weights, as in make_families_golden.py) the losses of 20 steps of PyTorch's AdamW on
batches given by a formula, and at every step the gradient of every tensor (its norm, and every 97th element, of the steps between the first and the last every 997th).

    python make_training_golden.py training.json scoring.json

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


def gradients_of(named, stride):
    return {"stride": stride, "tensors": {key: {"norm": float(f"{p.grad.norm():.8g}"), "elements": [float(f"{v:.8g}") for v in p.grad.flatten()[::stride]]} for key, p in named.items()}}


def groups(step):
    """Three groups of siblings: a prefix, three branches with their values, and which is better than which."""
    made = []
    for g in range(3):
        def text(length, salt):
            return [(3 * i * i + (step + 5) * i + 11 * g + salt) % 95 + 1 for i in range(length)]
        made.append((text(11 + 4 * g, 0), [text(7, 31), text(12, 57), text(5 + g, 83)], [0.75, -0.25, -1.0], [(0, 1), (0, 2)] if g == 1 else [(0, 1), (0, 2), (1, 2)]))
    return made


def score_loss(kind, scale, outputs, values, pairs):
    scores = outputs if kind == "outputs" else torch.tanh(outputs / scale)
    if kind == "squares":
        return ((scores - torch.tensor(values)) ** 2).sum()
    return sum(-torch.nn.functional.logsigmoid(scores[a] - scores[b]) for a, b in pairs) / len(pairs)


def scoring(out, scale=1.5):
    """Reward models: each branch alone after its whole prefix, the output of its last token, one row of weights."""
    result = {"scale": scale}
    for name in MODELS:
        (config_class, model_class), model_type, changes, _, context = CASES[name]
        config = {"model_type": model_type, "architectures": [model_class.__name__], **BASE, **changes}
        config_object = config_class.from_dict(json.loads(json.dumps(config)))
        config_object._attn_implementation = "eager"
        result[name] = {}
        for kind in ("scores", "outputs", "squares"):
            model = model_class(config_object).to(torch.float32).train()
            backbone = model.model
            backbone.load_state_dict({key: weights("model." + key, tuple(value.shape)) for key, value in backbone.state_dict().items()})
            score = torch.nn.Parameter(weights("score.weight", (1, config["hidden_size"])))
            named = {**{"model." + key: p for key, p in backbone.named_parameters()}, "score.weight": score}
            decays = [p for key, p in named.items() if p.dim() > 1 and key != "score.weight"]
            others = [p for key, p in named.items() if p.dim() <= 1 or key == "score.weight"]
            optimiser = torch.optim.AdamW([{"params": decays, "weight_decay": DECAY}, {"params": others, "weight_decay": 0.0}], lr=RATE, betas=(0.9, 0.999), eps=1e-8)
            losses, norms, gradients, first = [], [], [], []
            steps = STEPS if kind == "scores" else 3
            for step in range(steps):
                optimiser.zero_grad()
                loss, count = 0, 0
                for prefix, branches, values, pairs in groups(step):
                    outputs = torch.cat([backbone(torch.tensor([prefix + branch])).last_hidden_state[0, -1:] @ score[0] for branch in branches])
                    if step == 0:
                        first.append([float(v) for v in outputs])
                    loss = loss + score_loss(kind, scale, outputs, values, pairs)
                    count += len(branches) if kind == "squares" else 1
                loss = loss / count
                loss.backward()
                gradients.append(gradients_of(named, 97 if step in (0, steps - 1) else 997))
                norms.append(float(torch.nn.utils.clip_grad_norm_(list(named.values()), CLIP)))
                losses.append(float(loss))
                optimiser.step()
            result[name][kind] = {"outputs": first, "losses": losses, "norms": norms, "gradients": gradients}
            print(name, kind, losses[0], losses[-1], norms[0])
    with open(out, "w", encoding="utf-8", newline="\n") as file:
        json.dump(result, file, separators=(",", ":"))
        file.write("\n")


def main(out, scoring_out):
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
        losses, norms, gradients = [], [], []
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
            gradients.append(gradients_of(named, 97 if step in (0, STEPS - 1) else 997))
            norms.append(float(torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)))
            losses.append(float(loss))
            optimiser.step()
        result[name] = {"losses": losses, "norms": norms, "gradients": gradients}
        print(name, losses[0], losses[-1], norms[0])
    with open(out, "w", encoding="utf-8", newline="\n") as file:
        json.dump(result, file, separators=(",", ":"))
        file.write("\n")
    scoring(scoring_out)


if __name__ == "__main__":
    main(*sys.argv[1:])
