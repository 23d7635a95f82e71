# SPDX-License-Identifier: Apache-2.0
"""The quick-start problems solved by exact arithmetic, in the order of the file: one expression each, from the question's own numbers."""
import json
import sys
from fractions import Fraction as F

SOLUTIONS = {
    # 1-2
    "1-2-01": 26 + 17,
    "1-2-02": 48 - 31,
    "1-2-03": 12 * 8,
    "1-2-04": F(54, 6),
    "1-2-05": 3 + 4 * 2,
    "1-2-06": 240 - 35 + 60,
    "1-2-07": 30 - 4 * 5,
    "1-2-08": F(18, 2),
    "1-2-09": 7 * 9 - 5,
    "1-2-10": 200 - 15 * 6,
    "1-2-11": F(45, 3) + 4,
    "1-2-12": 120 + 2 * 120,
    "1-2-13": 6 * 14,
    "1-2-14": 3 * 11 - 11,
    # 3-4
    "3-4-01": F(30 * 7, 10) * 4,
    "3-4-02": 100 - (3 * 14 + 2 * 9),
    "3-4-03": F(5 * 24, 8) - 3,
    "3-4-04": (2 * 4 + 5 * 3) * 20,
    "3-4-05": 900 + 40 * 15 - 250,
    "3-4-06": (60 - F(60, 2) - 12) / 2,
    "3-4-07": 5 * (3 * 1 + 2 * 2),
    "3-4-08": 35 - (6 * 3 + 4 * 2),
    "3-4-09": 3 * (12 * 4 - 30),
    "3-4-10": (84 - F(84, 3)) / 4,
    "3-4-11": 5 * 50 - 250 * (1 - F(20, 100)),
    "3-4-12": 2 * (12 + 8) * 5,
    "3-4-13": 150 - (15 * 5 + 40),
    "3-4-14": 25 * 2 + 18 * 3 - 44,
    # 5+
    "5+-01": (20 + 15) * 2 + (6 + 10) * 5,
    "5+-02": F(12 * 6 * 5 - 90 - 150, 2),
    "5+-03": 20 * 15 * F(80, 100) * 10 - 900 - 600,
    "5+-04": F(50 * 8 * 5 - 60, 20) * 30,
    "5+-05": F(22 + (22 + 8) + 3 * (22 + 8), 2),
    "5+-06": 120 - F(350 + 50 + 350, 100) * 6 * 2,
    "5+-07": (40 * 6 - 12) * 3 - 40 * 6 * 1,
    "5+-08": F(30 * 2 + 4 * 3, 8) * 3,
    "5+-09": 5 * 8 + 30 + 10 - 2 * 11 - 18,
    "5+-10": F(600 - 3 * 50, 12 + 8 - 5),
    "5+-11": 4 * 25 * 16 * (1 - F(10, 100)) * 3,
    "5+-12": F(20 + 25 + 30 + 35, 55) * 70,
    "5+-13": 3 * (10 * 40 + 15 * 60) - 3 * 800,
    "5+-14": (4 * 6 - 3 * 5 - 2) * 2 - 4 * 3,
}


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        problems = [json.loads(line) for line in file]
    wrong = 0
    for problem in problems:
        found = F(SOLUTIONS[problem["id"].removeprefix("quickstart-")])
        if found != F(problem["answer"]):
            wrong += 1
            print(f"{problem['id']}: the file says {problem['answer']}, arithmetic says {found}")
    if {problem["id"].removeprefix("quickstart-") for problem in problems} != set(SOLUTIONS):
        sys.exit("the file and this program do not hold the same problems")
    print(f"arithmetic: {len(problems) - wrong} of {len(problems)} answers agree")
    sys.exit(1 if wrong else 0)


main()
