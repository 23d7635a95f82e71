# SPDX-License-Identifier: Apache-2.0
"""Counts the test cases of one `bazel test` from its build events: prints "PASSED FAILED SKIPPED".

usage: count_tests.py EVENTS    the file that --build_event_json_file=EVENTS left

A case is a <testcase> of the test.xml that Bazel kept for a target, of this run or from the cache. A target that failed without a failing
case (a crash, a time-out, a build failure) is one failed case.
"""

import json
import sys
import urllib.parse
import xml.etree.ElementTree


def cases(path):
    """(passed, failed, skipped) of one test.xml."""
    passed = failed = skipped = 0
    for case in xml.etree.ElementTree.parse(path).getroot().iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        elif case.find("skipped") is not None or case.get("status") == "notrun":
            skipped += 1
        else:
            passed += 1
    return passed, failed, skipped


def main(events):
    targets = {}  # label: [passed, failed, skipped]
    broken = set()
    with open(events, encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line)
            identity = event.get("id", {})
            if "testResult" in identity:
                # Of several attempts at one shard the last counts.
                key = tuple(identity["testResult"].get(part) for part in ("label", "run", "shard"))
                counts = [0, 0, 0]
                for output in event.get("testResult", {}).get("testActionOutput", []):
                    if output["name"] == "test.xml":
                        path = urllib.parse.unquote(urllib.parse.urlparse(output["uri"]).path)
                        try:
                            counts = list(cases(path))
                        except (OSError, xml.etree.ElementTree.ParseError) as error:
                            print(f"count_tests: {path}: {error}", file=sys.stderr)
                good = event.get("testResult", {}).get("status") in ("PASSED", "FLAKY")
                if not good and counts[1] == 0:
                    counts[1] = 1
                if good and counts[0] + counts[2] == 0:
                    counts[0] = 1
                targets[key] = counts
            elif "targetCompleted" in identity and not event.get("completed", {}).get("success", False):
                broken.add(identity["targetCompleted"]["label"])
    tested = {key[0] for key in targets}
    passed, failed, skipped = (sum(counts[i] for counts in targets.values()) for i in range(3))
    print(passed, failed + len(broken - tested), skipped)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
