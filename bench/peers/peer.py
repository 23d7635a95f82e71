# SPDX-License-Identifier: Apache-2.0
"""What the peers' programs share: the protocol, and the order in which a workload's prompts begin.

A peer prints one line {"peer", "version", "settings"} when its model is loaded. Then it reads workloads, one a line (bench/workload.h), and answers each
with {"seconds", "new_tokens", "prompt_tokens", "settings"}; the clock runs from the first prompt to the last token. It ends with its standard input.
"""

import argparse
import json
import os
import sys
import time


class Work:
    """Groups of samples; a group begins when the one it comes after has ended."""

    def __init__(self, groups):
        self.groups = groups
        self.prompts = [None] * len(groups)
        self.samples = [[None] * len(group["lengths"]) for group in groups]
        self.open = [len(group["lengths"]) for group in groups]
        self.new_tokens = self.prompt_tokens = 0

    def begin(self):
        return [self._begin(i) for i, group in enumerate(self.groups) if group["after"] < 0]

    def finish(self, index, number, tokens):
        """Takes a sample; the groups that begin now."""
        assert len(tokens) == self.groups[index]["lengths"][number], (len(tokens), self.groups[index]["lengths"][number])
        self.samples[index][number] = tokens
        self.new_tokens += len(tokens)
        self.open[index] -= 1
        if self.open[index]:
            return []
        return [self._begin(i) for i, group in enumerate(self.groups) if group["after"] == index]

    def _begin(self, index):
        group = self.groups[index]
        prompt = list(group["tokens"])
        if group["extends"] >= 0:
            prompt = self.prompts[group["after"]] + self.samples[group["after"]][group["extends"]] + prompt
        self.prompts[index] = prompt
        self.prompt_tokens += len(prompt) * len(group["lengths"])
        return index


def longest(groups):
    """Tokens of the longest prompt with its sample."""
    prompts, most = [], 0
    for group in groups:
        prompt = len(group["tokens"])
        if group["extends"] >= 0:
            prompt += prompts[group["after"]] + groups[group["after"]]["lengths"][group["extends"]]
        prompts.append(prompt)
        most = max(most, prompt + max(group["lengths"]))
    return most


def parse(description, defaults):
    """Options of the command line; `defaults` are the settings that --set changes."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("model", help="a GGUF file")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--precision", default="bfloat16", help="of the activations: bfloat16 or float32")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting other than the best one found")
    options = parser.parse_args()
    options.settings = dict(defaults)
    options.given = {}
    for each in options.set:
        key, _, value = each.partition("=")
        if key not in defaults:
            parser.error(f"--set {each}: no such setting; there are {', '.join(defaults)}")
        options.given[key] = type(defaults[key])(json.loads(value)) if not isinstance(defaults[key], str) else value
    options.settings.update(options.given)
    return options


def serve(peer, version, settings, prepare):
    """`prepare(workload)` makes ready what is not to be timed and returns a function of a Work, and the settings used."""
    print(json.dumps({"peer": peer, "version": version, "settings": settings}), flush=True)
    for line in sys.stdin:
        workload = json.loads(line)
        run, used = prepare(workload)
        work = Work(workload["groups"])
        begin = time.monotonic()
        run(work)
        seconds = time.monotonic() - begin
        print(json.dumps({"seconds": seconds, "new_tokens": work.new_tokens, "prompt_tokens": work.prompt_tokens, "settings": used}), flush=True)
