#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""New tokens a second of llama.cpp with several slots, as its server decodes: one batch with a token of each slot, continuously.

Each slot holds its own sequence; the prefix that all share is prefilled once and copied between sequences, which its server only does within a slot:
what is measured here is at least what the server reaches. Every slot draws its own tokens (temperature 0.7) and, when it has its tokens, begins
anew from the shared prefix with a suffix of its own, as the next request would.

  pip install llama-cpp-python
  python3 bench/peers/llama_slots.py ~/.cache/orrery/models/qwen2.5-coder-0.5b-instruct.gguf --slots 8
"""

import argparse
import json
import os
import time

import llama_cpp


def text_tokens(vocabulary, count, salt):
    text = "".join(
        f"Question {i + salt * 1000}: a shop sells {(i * 37 + salt * 11) % 97} apples a day at {(i * 13 + salt) % 89} cents each; "
        f"what does it earn in {i % 30 + 2} days?\n"
        for i in range(count // 4 + 8)
    ).encode()
    tokens = (llama_cpp.llama_token * (len(text) + 8))()
    got = llama_cpp.llama_tokenize(vocabulary, text, len(text), tokens, len(tokens), False, False)
    return list(tokens[: min(got, count)])


class Batch:
    def __init__(self, size):
        self.raw = llama_cpp.llama_batch_init(size, 0, 1)
        self.raw.n_tokens = 0

    def clear(self):
        self.raw.n_tokens = 0

    def add(self, token, position, sequence, logits):
        i = self.raw.n_tokens
        self.raw.token[i] = token
        self.raw.pos[i] = position
        self.raw.n_seq_id[i] = 1
        self.raw.seq_id[i][0] = sequence
        self.raw.logits[i] = logits
        self.raw.n_tokens = i + 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("--slots", type=int, default=8)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--prefix", type=int, default=700, help="tokens of prompt that all slots share")
    parser.add_argument("--suffix", type=int, default=20, help="tokens of prompt of each request's own")
    parser.add_argument("--new-tokens", type=int, default=64, help="of a request")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--plain-weights", action="store_true", help="leave the weights as the file has them (its AMX path crashes in some builds)")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    llama_cpp.llama_backend_init()
    errors = os.dup(2)  # what it tells while it loads is not for here
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    settings = llama_cpp.llama_model_default_params()
    settings.use_extra_bufts = not options.plain_weights
    model = llama_cpp.llama_model_load_from_file(options.model.encode(), settings)
    vocabulary = llama_cpp.llama_model_get_vocab(model)
    parameters = llama_cpp.llama_context_default_params()
    room = options.prefix + options.suffix + options.new_tokens + 8
    parameters.n_ctx = room * (options.slots + 1)
    parameters.n_batch = parameters.n_ubatch = 512
    parameters.n_seq_max = options.slots + 1
    parameters.kv_unified = True  # sequences may share cells
    parameters.n_threads = parameters.n_threads_batch = options.threads
    context = llama_cpp.llama_init_from_model(model, parameters)
    os.dup2(errors, 2)
    memory = llama_cpp.llama_get_memory(context)
    width = llama_cpp.llama_vocab_n_tokens(vocabulary)

    batch = Batch(512)
    shared = options.slots  # the sequence that keeps the prefix
    prefix = text_tokens(vocabulary, options.prefix, 0)
    for begin in range(0, len(prefix), 512):
        batch.clear()
        for i, token in enumerate(prefix[begin : begin + 512]):
            batch.add(token, begin + i, shared, False)
        assert llama_cpp.llama_decode(context, batch.raw) == 0

    samplers, lengths, left, waiting = [], [0] * options.slots, [0] * options.slots, [[] for _ in range(options.slots)]
    for slot in range(options.slots):
        chain = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
        llama_cpp.llama_sampler_chain_add(chain, llama_cpp.llama_sampler_init_temp(0.7))
        llama_cpp.llama_sampler_chain_add(chain, llama_cpp.llama_sampler_init_dist(slot + 1))
        samplers.append(chain)

    made, requests, begin = 0, 0, time.monotonic()
    while time.monotonic() - begin < options.seconds:
        batch.clear()
        rows = []
        for slot in range(options.slots):
            if left[slot] == 0:  # the next request of this slot
                llama_cpp.llama_memory_seq_rm(memory, slot, -1, -1)
                llama_cpp.llama_memory_seq_cp(memory, shared, slot, -1, -1)
                lengths[slot], left[slot] = len(prefix), options.new_tokens
                requests += 1
                waiting[slot] = text_tokens(vocabulary, options.suffix, requests)
            for i, token in enumerate(waiting[slot]):
                last = i + 1 == len(waiting[slot])
                batch.add(token, lengths[slot], slot, last)
                lengths[slot] += 1
            rows.append(batch.raw.n_tokens - 1)
        assert llama_cpp.llama_decode(context, batch.raw) == 0
        for slot, row in enumerate(rows):
            token = llama_cpp.llama_sampler_sample(samplers[slot], context, row)
            waiting[slot] = [token]
            left[slot] -= 1
            made += 1
    seconds = time.monotonic() - begin
    figure = {
        "case": f"streams-{options.slots}",
        "peer": "llama.cpp",
        "version": llama_cpp.__version__,
        "metric": "all_work",
        "value": round(made / seconds, 1),
        "unit": "tokens/s",
        "conditions": f"{options.threads} threads, {options.prefix}+{options.suffix} tokens of prompt, {options.new_tokens} new a request, vocabulary {width}",
    }
    print(json.dumps(figure) if options.json else f"llama.cpp {figure['version']}: {figure['case']} {figure['value']} tokens/s ({figure['conditions']})")


if __name__ == "__main__":
    main()
