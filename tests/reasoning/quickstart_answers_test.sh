#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Both programs solve every quick-start problem and agree with the file; a changed answer must fail both.
set -euo pipefail
folder=tests/reasoning
problems=configs/problems/quickstart.jsonl
sympy=${ORRERY_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/orrery}/python/bin/python3

python3 -I "$folder/quickstart_check_a.py" "$problems"
"$sympy" -I "$folder/quickstart_check_b.py" "$problems"

changed=${TEST_TMPDIR:?}/changed.jsonl
sed '0,/"answer": "\([0-9]*\)"/s//"answer": "1\1"/' "$problems" > "$changed"
if cmp -s "$problems" "$changed"; then echo 'the changed file is the same file'; exit 1; fi
for check in "python3 -I $folder/quickstart_check_a.py" "$sympy -I $folder/quickstart_check_b.py"; do
  if $check "$changed" > /dev/null 2>&1; then echo "$check does not notice a wrong answer"; exit 1; fi
done
echo 'a wrong answer is noticed by both'
