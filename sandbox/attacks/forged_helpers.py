# SPDX-License-Identifier: Apache-2.0
# Rewrites the interpreter's own helpers in its memory, then fails.
# expected: runtime-error
import gc

for item in gc.get_objects():
    name = getattr(item, "__name__", "")
    if type(item) is type(lambda: 0) and name in ("describe", "prepare", "flush", "compile_step"):
        item.__code__ = (lambda *_: b"").__code__
raise ValueError("still an error")
