# SPDX-License-Identifier: Apache-2.0
# Parentheses too deep for the tokenizer.
# expected: runtime-error
print(eval("(" * 1000 + ")" * 1000))
