# SPDX-License-Identifier: Apache-2.0
"""Writes a Parquet file for runners/store_commands/row_sink.cc.

    parquet_writer.py OUT COLUMNS

COLUMNS is a JSON object of names and types. Standard input is a socket: a JSON object a line, then a line "end", without which nothing is written.
The answer on the same socket is "done", or what went wrong.
"""
import json
import os
import socket
import sys

ROWS = 2000  # of a row group: what is held in memory


def arrow_type(pyarrow, name):
    plain = {"string": pyarrow.string(), "bool": pyarrow.bool_(), "int64": pyarrow.int64(), "double": pyarrow.float64()}
    if name == "list<message>":
        return pyarrow.list_(pyarrow.struct([("role", pyarrow.string()), ("content", pyarrow.string())]))
    if name.startswith("list<"):
        return pyarrow.list_(plain[name[5:-1]])
    return plain[name]


def groups(lines):
    """Lists of rows; an error where the last line is missing."""
    rows = []
    for line in lines:
        if line == b"end\n":
            yield rows
            return
        rows.append(json.loads(line))
        if len(rows) == ROWS:
            yield rows
            rows = []
    raise EOFError("the rows ended before their end")


def write(out, columns, lines):
    import pyarrow
    import pyarrow.parquet

    schema = pyarrow.schema([(name, arrow_type(pyarrow, kind)) for name, kind in columns.items()])
    beside = out + ".partial"
    try:
        with open(beside, "wb") as file:
            with pyarrow.parquet.ParquetWriter(file, schema, compression="zstd") as writer:
                for rows in groups(lines):
                    writer.write_table(pyarrow.Table.from_pylist(rows, schema))
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, out)
    except BaseException:
        if os.path.exists(beside):
            os.remove(beside)
        raise


def main():
    channel = socket.socket(fileno=os.dup(0))
    try:
        with channel.makefile("rb") as lines:
            write(sys.argv[1], json.loads(sys.argv[2]), lines)
        answer = "done"
    except BaseException as error:
        answer = f"{type(error).__name__}: {error}"
    try:
        channel.sendall(answer.encode())
    except OSError:
        sys.exit(1)  # nobody is there any more


main()
