#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""OpenVINO GenAI's continuous batching on a workload, its prefix cache on."""

import collections

import numpy as np
import openvino
import openvino_genai

import peer

DEFAULTS = {
    "siblings": "leader",  # leader: the others of a group come when the first has read their prompt; all: at once; together: one request, n sequences
    "prefix_cache": True,
    "batch": 512,  # tokens in a batch
    "cache_gigabytes": 4,
    "split_prompts": True,  # prompts in parts, decoding beside them
    "top_k": 0,
    "kv": "",  # precision of the KV cache; empty: as it chooses
    "quantise": -1,  # group size of the activations' dynamic quantisation; -1: as it chooses
    "hint": "",  # LATENCY or THROUGHPUT
}


def configuration(length, top_k, seed, sequences=1):
    config = openvino_genai.GenerationConfig()
    config.max_new_tokens = length
    config.ignore_eos = True
    config.do_sample = True
    config.temperature = 0.7
    config.rng_seed = seed
    if top_k:
        config.top_k = top_k
    if sequences > 1:
        config.num_return_sequences = sequences
    return config


class Runner:
    def __init__(self, pipeline, settings):
        self.pipeline, self.settings = pipeline, settings
        self.next = 0

    def add(self, work, index, numbers):
        """A request for these samples of a group, of one length."""
        length = work.groups[index]["lengths"][numbers[0]]
        prompt = openvino.Tensor(np.array([work.prompts[index]], dtype=np.int64))
        self.next += 1
        config = configuration(length, self.settings["top_k"], self.next, len(numbers))
        self.live[self.next] = (self.pipeline.add_request(self.next, prompt, config), index, numbers)

    def begin(self, work, groups):
        for index in groups:
            lengths = work.groups[index]["lengths"]
            numbers = list(range(len(lengths)))
            if self.settings["siblings"] == "together" and len(set(lengths)) == 1:
                self.add(work, index, numbers)
            elif self.settings["siblings"] == "leader":
                self.add(work, index, numbers[:1])
                if numbers[1:]:
                    self.followers[self.next] = numbers[1:]
            else:
                for number in numbers:
                    self.add(work, index, [number])

    def run(self, work):
        self.live, self.followers, self.parts = {}, {}, collections.defaultdict(list)
        self.begin(work, work.begin())
        while self.live:
            self.pipeline.step()
            for number in [n for n in self.followers if self.live[n][0].can_read()]:
                index = self.live[number][1]
                for other in self.followers.pop(number):
                    self.add(work, index, [other])
            for number in [n for n, (handle, _, _) in self.live.items() if handle.get_status() != openvino_genai.GenerationStatus.RUNNING]:
                handle, index, numbers = self.live.pop(number)
                for sample, output in zip(numbers, handle.read_all(), strict=True):
                    self.begin(work, work.finish(index, sample, list(output.generated_ids)))


def main():
    options = peer.parse(__doc__, DEFAULTS)
    settings = options.settings
    scheduler = openvino_genai.SchedulerConfig()
    scheduler.cache_size = settings["cache_gigabytes"]
    scheduler.enable_prefix_caching = settings["prefix_cache"]
    scheduler.max_num_batched_tokens = settings["batch"]
    scheduler.dynamic_split_fuse = settings["split_prompts"]
    properties = {"INFERENCE_NUM_THREADS": options.threads, "INFERENCE_PRECISION_HINT": {"bfloat16": "bf16", "float32": "f32"}[options.precision]}
    if settings["kv"]:
        properties["KV_CACHE_PRECISION"] = settings["kv"]
    if settings["quantise"] >= 0:
        properties["DYNAMIC_QUANTIZATION_GROUP_SIZE"] = settings["quantise"]
    if settings["hint"]:
        properties["PERFORMANCE_HINT"] = settings["hint"]
    pipeline = openvino_genai.ContinuousBatchingPipeline(options.model, scheduler, "CPU", properties)
    runner = Runner(pipeline, settings)
    peer.serve("openvino-genai", openvino_genai.__version__, settings, lambda workload: (runner.run, settings))


if __name__ == "__main__":
    main()
