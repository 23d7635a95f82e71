#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""llama.cpp (llama-cpp-python) on a workload: its own decode call on one batch with a token of each slot and prompt tokens beside them, continuously.

Slots are sequences of one context, as in its server. What the server does not do is done here in its favour: a prompt takes what any slot has computed of
it, and a sibling waits until its prompt is there. So what is measured is at least what its server reaches.
"""

import collections

import llama_cpp
import numpy as np

import peer

DEFAULTS = {
    "slots": 0,  # 0: as many as the workload has samples at once, at most SLOTS
    "unified": True,  # sequences share one pool of cells
    "flash": 1,  # flash attention: -1 as it chooses, 0 off, 1 on
    "batch": 512,
    "top_k": 40,  # its server's default; 0: the whole vocabulary
    "repack": True,  # weights may be repacked for the processor's instructions
}


class Slot:
    def __init__(self, number, top_k):
        self.number = number
        self.computed = []  # tokens whose keys and values it holds
        self.waiting = []  # tokens to compute next
        self.made = []
        self.sample = None  # (group, number in it); None: idle
        self.used = 0
        self.sampler = llama_cpp.llama_sampler_chain_init(llama_cpp.llama_sampler_chain_default_params())
        if top_k:
            llama_cpp.llama_sampler_chain_add(self.sampler, llama_cpp.llama_sampler_init_top_k(top_k))
        llama_cpp.llama_sampler_chain_add(self.sampler, llama_cpp.llama_sampler_init_temp(0.7))
        llama_cpp.llama_sampler_chain_add(self.sampler, llama_cpp.llama_sampler_init_dist(number + 1))

    def holds(self, prompt, computed_only=True):
        held = self.computed if computed_only else self.computed + self.waiting
        count = min(len(held), len(prompt) - 1)
        for i in range(count):
            if held[i] != prompt[i]:
                return i
        return count


class Batch:
    def __init__(self, size):
        self.raw = llama_cpp.llama_batch_init(size, 0, 1)
        view = lambda pointer: np.ctypeslib.as_array(pointer, shape=(size,))
        self.token, self.pos, self.logits, self.n_seq = (
            view(self.raw.token),
            view(self.raw.pos),
            view(self.raw.logits),
            view(self.raw.n_seq_id),
        )
        self.n_seq[:] = 1
        self.size, self.count = size, 0

    def add(self, tokens, position, sequence, last):
        """Whether the last token's logits are wanted; its row."""
        end = self.count + len(tokens)
        self.token[self.count : end] = tokens
        self.pos[self.count : end] = np.arange(position, position + len(tokens))
        self.logits[self.count : end] = 0
        for i in range(self.count, end):
            self.raw.seq_id[i][0] = sequence
        if last:
            self.logits[end - 1] = 1
        self.count = end
        return end - 1


class Context:
    def __init__(self, model, room, settings, threads):
        parameters = llama_cpp.llama_context_default_params()
        slots = settings["slots"]
        parameters.n_ctx = (room + 255) // 256 * 256 * slots
        parameters.n_batch = parameters.n_ubatch = settings["batch"]
        parameters.n_seq_max = slots
        parameters.kv_unified = settings["unified"]
        parameters.flash_attn_type = settings["flash"]
        parameters.n_threads = parameters.n_threads_batch = threads
        parameters.no_perf = True
        self.raw = llama_cpp.llama_init_from_model(model, parameters)
        if not self.raw:
            raise SystemExit(f"llama.cpp: no context of {parameters.n_ctx} tokens")
        self.memory = llama_cpp.llama_get_memory(self.raw)
        self.batch = Batch(settings["batch"])
        self.slots = [Slot(i, settings["top_k"]) for i in range(slots)]
        self.unified = settings["unified"]
        self.clock = 0

    def close(self):
        llama_cpp.llama_batch_free(self.batch.raw)
        for slot in self.slots:
            llama_cpp.llama_sampler_free(slot.sampler)
        llama_cpp.llama_free(self.raw)

    def copy(self, source, slot, count):
        """The slot holds the first `count` tokens of the source, and nothing else."""
        if source is not slot:
            llama_cpp.llama_memory_seq_rm(self.memory, slot.number, -1, -1)
            if count and self.unified:
                llama_cpp.llama_memory_seq_cp(self.memory, source.number, slot.number, 0, count)
            elif count:  # between buffers of their own only whole sequences can be copied
                llama_cpp.llama_memory_seq_cp(self.memory, source.number, slot.number, -1, -1)
        llama_cpp.llama_memory_seq_rm(self.memory, slot.number, count, -1)
        slot.computed = source.computed[:count]

    def admit(self, work, queue):
        idle = [slot for slot in self.slots if slot.sample is None]
        skipped = []
        while idle and queue:
            index, number = sample = queue.popleft()
            prompt = work.prompts[index]
            held = {slot.number: slot.holds(prompt) for slot in self.slots}
            source = max(self.slots, key=lambda slot: held[slot.number])
            coming = max((slot.holds(prompt, False) for slot in self.slots if len(slot.waiting) > 1), default=0)
            if coming > held[source.number]:
                skipped.append(sample)  # another is just computing its prompt
                continue
            own = max(idle, key=lambda slot: (held[slot.number], -slot.used))
            slot = own if held[own.number] == held[source.number] and held[own.number] > 0 else min(idle, key=lambda slot: slot.used)
            count = held[source.number]
            self.copy(slot if held[slot.number] == count else source, slot, count)
            slot.waiting, slot.made, slot.sample = prompt[count:], [], sample
            self.clock += 1
            slot.used = self.clock
            idle.remove(slot)
        queue.extendleft(reversed(skipped))

    def step(self):
        """One batch; the slots whose next token was sampled."""
        batch, rows = self.batch, []
        batch.count = 0
        live = [slot for slot in self.slots if slot.sample is not None]
        for slot in sorted(live, key=lambda slot: (len(slot.waiting) > 1, slot.used)):
            part = slot.waiting[: batch.size - batch.count]
            if not part:
                continue
            whole = len(part) == len(slot.waiting)
            row = batch.add(part, len(slot.computed), slot.number, whole)
            slot.computed.extend(part)
            del slot.waiting[: len(part)]
            if whole:
                rows.append((slot, row))
        batch.raw.n_tokens = batch.count
        code = llama_cpp.llama_decode(self.raw, batch.raw)
        if code != 0:
            raise SystemExit(f"llama.cpp: llama_decode says {code}")
        for slot, row in rows:
            token = llama_cpp.llama_sampler_sample(slot.sampler, self.raw, row)
            slot.made.append(token)
            slot.waiting = [token]
        return [slot for slot, _ in rows]

    def run(self, work):
        queue = collections.deque()

        def enqueue(groups):
            for index in groups:
                queue.extend((index, number) for number in range(len(work.groups[index]["lengths"])))

        enqueue(work.begin())
        while queue or any(slot.sample is not None for slot in self.slots):
            self.admit(work, queue)
            for slot in self.step():
                index, number = slot.sample
                if len(slot.made) == work.groups[index]["lengths"][number]:
                    slot.sample, slot.waiting = None, []
                    enqueue(work.finish(index, number, slot.made))


# Slots at once, the better of the two numbers tried on flat work (bench/README.md).
SLOTS = 8


def at_once(groups):
    """Samples that may be written at the same time, at most."""
    return sum(len(group["lengths"]) for group in groups if group["after"] < 0)


def main():
    options = peer.parse(__doc__, DEFAULTS)
    silent = llama_cpp.llama_log_callback(lambda level, text, data: None)
    llama_cpp.llama_log_set(silent, None)
    llama_cpp.llama_backend_init()
    parameters = llama_cpp.llama_model_default_params()
    parameters.use_extra_bufts = options.settings["repack"]
    model = llama_cpp.llama_model_load_from_file(options.model.encode(), parameters)
    if not model:
        raise SystemExit(f"llama.cpp: {options.model} cannot be loaded")
    state = {"context": None}

    def prepare(workload):
        settings = dict(options.settings)
        if not settings["slots"]:
            settings["slots"] = min(SLOTS, at_once(workload["groups"]))
        if state["context"] is not None:
            state["context"].close()
        state["context"] = context = Context(model, peer.longest(workload["groups"]) + 8, settings, options.threads)
        return context.run, settings

    peer.serve("llama.cpp", llama_cpp.__version__, options.settings, prepare)


if __name__ == "__main__":
    main()
