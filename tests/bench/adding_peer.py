# SPDX-License-Identifier: Apache-2.0
"""A peer whose model writes what its prompt sums up to, one more with each token: small enough to know every answer."""

import os
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bench/peers"))

import peer  # noqa: E402


def run(work):
    ready = work.begin()
    while ready:
        index = ready.pop(0)
        prompt = work.prompts[index]
        if prompt[0] == 666:
            raise SystemExit("a prompt that nobody can bear")
        for number, length in enumerate(work.groups[index]["lengths"]):
            given = length - 1 if prompt[0] == 13 else length
            sample = [sum(prompt) + number + i for i in range(given)]
            print(index, number, prompt, sample, file=sys.stderr, flush=True)
            if given != length:
                work.new_tokens -= 1
                sample.append(0)
            ready += work.finish(index, number, sample)


if __name__ == "__main__":
    options = peer.parse("Adds.", {"slots": 4, "name": "x", "on": True})
    peer.serve("adding", options.model, options.settings, lambda workload: (run, options.settings))
