# SPDX-License-Identifier: Apache-2.0
# Takes the builtins away, then fails.
# expected: runtime-error
import builtins

for name in ("print", "compile", "exec", "len", "str", "repr", "isinstance", "__import__", "Exception"):
    delattr(builtins, name)
undefined
