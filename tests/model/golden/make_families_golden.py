# SPDX-License-Identifier: Apache-2.0
"""Writes families.json: for a tiny model of each family its config.json, the shapes of its tensors, and the logits that transformers
computes in float32. The weights are a formula of name and index (below, and in families_test.cc), so none is stored.

    python make_families_golden.py families.json

Made with torch 2.15.0 and transformers 5.23.0. "config" is written as publishers write it, "saved" as this transformers writes it.
"""
import json
import sys

import numpy
import torch
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM, Phi3Config, Phi3ForCausalLM, Qwen2Config, Qwen2ForCausalLM

BASE = {"vocab_size": 96, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
        "hidden_act": "silu", "max_position_embeddings": 128, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": False,
        "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
LONG = {"type": "longrope", "short_factor": [1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7], "long_factor": [1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 5.0]}
LLAMA3 = {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 32}
QWEN2, LLAMA, MISTRAL, PHI3 = (Qwen2Config, Qwen2ForCausalLM), (LlamaConfig, LlamaForCausalLM), (MistralConfig, MistralForCausalLM), (Phi3Config, Phi3ForCausalLM)
# name: classes, model_type, what differs from BASE, length of the prompt, context for which it is loaded
CASES = {
    "qwen2": (QWEN2, "qwen2", {"rope_theta": 1000000.0, "use_sliding_window": False, "sliding_window": 16, "max_window_layers": 2}, 70, 128),
    "qwen2_tied": (QWEN2, "qwen2", {"tie_word_embeddings": True, "num_key_value_heads": 1}, 40, 128),
    "llama2": (LLAMA, "llama", {"num_key_value_heads": 4}, 70, 128),
    "llama3": (LLAMA, "llama", {"rope_theta": 500000.0, "rope_scaling": LLAMA3, "rms_norm_eps": 1e-6}, 70, 128),
    "llama_linear": (LLAMA, "llama", {"rope_scaling": {"type": "linear", "factor": 4.0}, "head_dim": 32}, 70, 128),
    "mistral": (MISTRAL, "mistral", {"sliding_window": 16}, 70, 128),
    "mistral_whole": (MISTRAL, "mistral", {"sliding_window": None, "rope_theta": 1000000.0}, 70, 128),
    "phi3": (PHI3, "phi3", {"sliding_window": 23}, 70, 128),
    "phi3_long": (PHI3, "phi3", {"sliding_window": None, "rope_scaling": LONG, "original_max_position_embeddings": 32}, 70, 128),
    "phi3_short": (PHI3, "phi3", {"sliding_window": 50, "rope_scaling": LONG, "original_max_position_embeddings": 32}, 30, 32),
}
MASK = (1 << 64) - 1


def weights(name, shape):
    """splitmix64 of FNV-1a(name) + index: 24 bits as a number in [-1, 1), a third of that (norms: 1 plus a tenth)."""
    seed = 0xCBF29CE484222325
    for byte in name.encode():
        seed = (seed ^ byte) * 0x100000001B3 & MASK
    with numpy.errstate(over="ignore"):
        z = numpy.uint64(seed) + numpy.arange(numpy.prod(shape), dtype=numpy.uint64) * numpy.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> numpy.uint64(30))) * numpy.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> numpy.uint64(27))) * numpy.uint64(0x94D049BB133111EB)
        z = z ^ (z >> numpy.uint64(31))
    uniform = (z >> numpy.uint64(40)).astype(numpy.float64) / (1 << 23) - 1
    values = 1 + uniform / 10 if "norm" in name else uniform / 3
    return torch.from_numpy(values.astype(numpy.float32).reshape(shape))


def main(out):
    torch.set_num_threads(1)
    result = {}
    for name, ((config_class, model_class), model_type, changes, length, context) in CASES.items():
        config = {"model_type": model_type, "architectures": [model_class.__name__], **BASE, **changes}
        config_object = config_class.from_dict(json.loads(json.dumps(config)))
        config_object._attn_implementation = "eager"
        model = model_class(config_object).to(torch.float32).eval()
        state = {key: weights(key, tuple(value.shape)) for key, value in model.state_dict().items() if not (config["tie_word_embeddings"] and key == "lm_head.weight")}
        missing, unexpected = model.load_state_dict(state, strict=False)
        assert not unexpected and set(missing) <= {"lm_head.weight"}, (missing, unexpected)
        model.tie_weights()
        prompt = [(7 * i * i + 11 * i + 5) % 96 for i in range(length)]
        with torch.no_grad():
            logits = model(torch.tensor([prompt])).logits[0]
        rows = sorted({*range(3, length, 11), length - 1})
        result[name] = {"config": config, "saved": json.loads(config_object.to_json_string(use_diff=False)), "context_length": context,
                        "tensors": {key: list(value.shape) for key, value in state.items()}, "prompt": prompt,
                        "logits": {str(row): [round(float(value), 6) for value in logits[row]] for row in rows}}
        print(name, float(logits.abs().max()), float(logits.std()))
    with open(out, "w", encoding="utf-8", newline="\n") as file:
        file.write("{\n" + ",\n".join(f"{json.dumps(key)}:{json.dumps(value, separators=(',', ':'))}" for key, value in result.items()) + "\n}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
