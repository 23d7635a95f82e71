# SPDX-License-Identifier: Apache-2.0
"""Reads a data set that `//runners:store -- export` wrote: the questions with the most right solutions, and how long they are.

    python3 docs/examples/read_export.py RUN/export/sft/train.jsonl
    python3 docs/examples/read_export.py RUN/export/stepwise/train.parquet     (needs pyarrow)

Every format is an object a row; README.md beside the file tells its fields. Hugging Face's `datasets.load_dataset(FOLDER)` reads the same folder.
"""
import collections
import json
import sys


def rows(path):
    if path.endswith(".parquet"):
        import pyarrow.parquet

        for batch in pyarrow.parquet.ParquetFile(path).iter_batches():
            yield from batch.to_pylist()
    else:
        with open(path, encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)


def main():
    solutions, characters, steps, right_steps = collections.Counter(), 0, 0, 0
    for row in rows(sys.argv[1]):
        solutions[row["problem"]] += 1
        if "completions" in row:  # stepwise
            steps += len(row["labels"])
            right_steps += sum(row["labels"])
            assert len(row["completions"]) == len(row["labels"])
        characters += len(row.get("completion") or row.get("chosen") or "".join(row.get("completions", [])))
    print(f"{sum(solutions.values())} rows of {len(solutions)} problems, {characters} characters")
    if steps:
        print(f"{steps} steps, {right_steps} of them on the way to a right answer")
    for problem, count in solutions.most_common(5):
        print(f"{problem}: {count}")


main()
