# SPDX-License-Identifier: Apache-2.0
"""Reads the records of a run with FlatBuffers' generated bindings: every tree, and how its answers were distributed.

    pip install flatbuffers
    ./bazelw run //runners:store -- export RUN --format=records
    python3 docs/examples/read_records.py RUN/export/records

The folder holds records.bin and records_generated.py, which flatc made of schema/records.fbs: whatever a record holds can be read, visits and values of
nodes, every candidate with its verdict and output, the rollouts in their order. Nothing is parsed: a field is read from the bytes where it lies.
"""
import collections
import os
import struct
import sys

folder = sys.argv[1]
sys.path.insert(0, folder)
import records_generated as schema  # noqa: E402  (it lies beside the records)

ANSWER, EQUAL = schema.StepKind.Answer, schema.Grade.Equal


def records(path):
    """Each record's bytes: a length in four bytes, little end first, then the record."""
    with open(path, "rb") as file:
        while head := file.read(4):
            size = struct.unpack("<I", head)[0]
            body = file.read(size)
            if len(head) != 4 or len(body) != size:
                sys.exit(f"{path}: ends in the middle of a record")
            yield body


def candidates(tree):
    for e in range(tree.ExpansionsLength()):
        expansion = tree.Expansions(e)
        for c in range(expansion.CandidatesLength()):
            yield expansion.Candidates(c)


def main():
    trees = solved = nodes = rollouts = tokens = 0
    for body in records(os.path.join(folder, "records.bin")):
        tree = schema.TreeRecord.GetRootAs(body, 0)
        trees += 1
        solved += tree.Solved()
        nodes += tree.NodesLength()
        rollouts += tree.RolloutsLength()
        tokens += sum(tree.Expansions(e).TokensGenerated() for e in range(tree.ExpansionsLength()))
        answers = collections.Counter()
        right = set()
        for candidate in candidates(tree):
            if candidate.Kind() != ANSWER or candidate.Answer() is None:
                continue
            answer = candidate.Answer().decode()
            answers[answer] += candidate.Merged()
            if candidate.Grade() == EQUAL:
                right.add(answer)
        told = ", ".join(f"{answer} x{count}{' (right)' if answer in right else ''}" for answer, count in answers.most_common(3))
        print(f"{tree.Problem().decode()}: N {tree.Nodes(0).Visits()}, reference {tree.Answer().decode()}; {told or 'no answer'}")
    print(f"{trees} trees, {solved} solved, {nodes} nodes, {rollouts} rollouts, {tokens} tokens")


main()
