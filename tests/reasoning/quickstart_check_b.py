# SPDX-License-Identifier: Apache-2.0
"""The quick-start problems solved a second way: as equations for sympy, or by acting the story out unit by unit and counting.

Written from the questions, not from quickstart_check_a.py.
"""
import json
import sys
from datetime import date, timedelta

from sympy import Eq, Rational, Symbol, solve, symbols

x = Symbol("x")


def root(left, right=0):
    """The one solution of left = right."""
    found = solve(Eq(left, right), x)
    assert len(found) == 1, found
    return found[0]


def times(count, each):
    """Adds `each` again and again."""
    total = 0
    for _ in range(count):
        total += each
    return total


def deal(items, people):
    """Hands items out one by one; everyone must get the same number."""
    hands = [0] * people
    for item in range(items):
        hands[item % people] += 1
    assert len(set(hands)) == 1, hands
    return hands[0]


def bus():
    return sum(1 for seat in range(48) if seat >= 31)


def library():
    books = set(range(240))
    for _ in range(35):
        books.pop()
    books |= {("new", i) for i in range(60)}
    return len(books)


def tank_by_days():
    liters = 200
    for _ in range(6):
        liters -= 15
    return liters


def eggs():
    loose = boxes = 0
    for _day in range(7):
        for _egg in range(30):
            loose += 1
            if loose == 10:
                loose, boxes = 0, boxes + 1
    assert loose == 0
    return sum(4 for _ in range(boxes))


def pool():
    liters = 900
    for _minute in range(15):
        liters += 40
    for _ in range(250):
        liters -= 1
    return liters


def walk():
    walked = sum([6] * 3) + sum([4] * 2)
    return root(x + walked, 35)


def bulbs():
    money = 0
    for _box in range(3):
        money -= 30
        for _bulb in range(12):
            money += 4
    return money


def pages():
    left, day = 150, date(2024, 1, 1)  # a Monday
    for _ in range(6):
        left -= 40 if day.weekday() == 5 else 15
        day += timedelta(days=1)
    return left


def fence():
    # the meters of the border, one by one
    width, length = 8, 12
    pieces = [("south", i) for i in range(length)] + [("north", i) for i in range(length)]
    pieces += [("east", i) for i in range(width)] + [("west", i) for i in range(width)]
    return sum(5 for _ in pieces)


def fruit_shop():
    sales = [("apple", 20), ("melon", 6), ("apple", 15), ("melon", 10)]
    return sum({"apple": 2, "melon": 5}[fruit] * count for fruit, count in sales)


def savings():
    earned = sum(12 for _day in range(5) for _hour in range(6))
    return root(2 * x, earned - 90 - 150)


def theater():
    seats = [(row, seat) for row in range(20) for seat in range(15)]
    sold = [place for index, place in enumerate(seats) if index % 5 != 0]  # four of five
    return sum(10 for _ in sold) - 900 - 600


def toys():
    good = sum(50 for _day in range(5) for _hour in range(8)) - 60
    full, rest = divmod(good, 20)
    assert rest == 0
    return times(full, 30)


def stamps():
    ivan, jana, karl = symbols("ivan jana karl")
    found = solve([Eq(ivan, 3 * jana), Eq(jana, karl + 8), Eq(karl, 22), Eq(2 * x, ivan + jana + karl)], [ivan, jana, karl, x])
    return found[x]


def trip():
    paid = Rational(0)
    for leg in (350, 50, 350):
        paid += Rational(6, 100) * leg * 2
    return 120 - paid


def bread():
    money, shelf = 0, 0
    day = date(2024, 1, 1)
    while day.weekday() != 6:
        shelf += 40
        money -= 40
        day += timedelta(days=1)
    while shelf > 12:
        shelf -= 1
        money += 3
    return money


def picnic():
    sandwiches = sum([2] * 30) + sum([3] * 4)
    loaves = 0
    while loaves * 8 < sandwiches:
        loaves += 1
    assert loaves * 8 == sandwiches
    return times(loaves, 3)


def pocket():
    money = 0
    for _week in range(8):
        money += 5
    for change in (+30, +10, -11, -11, -18):
        money += change
    return money


def pipes():
    liters, minutes = times(3, 50), 0
    while liters < 600:
        liters += 12 + 8 - 5
        minutes += 1
    assert liters == 600
    return minutes


def tomatoes():
    plants = [(field, row, plant) for field in range(4) for row in range(25) for plant in range(16)]
    alive = [plant for index, plant in enumerate(plants) if index % 10 != 0]  # nine of ten
    return sum(3 for _ in alive)


def shoes():
    weeks = [20]
    while len(weeks) < 4:
        weeks.append(weeks[-1] + 5)
    return root(55 * x, sum(weeks)) * 70


def hotel():
    money = 0
    for _night in range(3):
        money += sum([40] * 10 + [60] * 15)
        money -= 800
    return money


def bottles():
    owned = [None] * 24
    money = -sum([3] * 4)
    assert len(owned) == times(4, 6)
    for _neighbor in range(3):
        del owned[:5]
    del owned[:2]
    return money + sum(2 for _ in owned)


SOLVERS = {
    "1-2": [
        lambda: root(x - 26, 17), bus, lambda: times(8, 12), lambda: root(6 * x, 54), lambda: sum([3, 2, 2, 2, 2]), library,
        lambda: root(x + times(5, 4), 30), lambda: root(x + x, 18), lambda: sum(1 for row in range(7) for _ in range(9)) - 5, tank_by_days,
        lambda: deal(45, 3) + 4, lambda: root(x - 120, 120 + 120), lambda: len([(r, t) for r in range(6) for t in range(14)]),
        lambda: root(11 + x, sum([11] * 3)),
    ],
    "3-4": [
        eggs, lambda: root(x + 14 + 14 + 14 + 9 + 9, 100), lambda: deal(times(5, 24), 8) - 3,
        lambda: times(20, sum([2] * 4) + sum([5] * 3)), pool, lambda: root(60, 30 + 12 + 2 * x),
        lambda: sum(1 for _cake in range(5) for _egg in range(3)) + sum(2 for _cake in range(5) for _cup in range(2)), walk, bulbs,
        lambda: root(Rational(84, 3) + 4 * x, 84), lambda: root(x + 250, 5 * 50 + Rational(250, 5)), fence, pages,
        lambda: root(x + 44, sum([2] * 25 + [3] * 18)),
    ],
    "5+": [fruit_shop, savings, theater, toys, stamps, trip, bread, picnic, pocket, pipes, tomatoes, shoes, hotel, bottles],
}


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        problems = [json.loads(line) for line in file]
    count = {level: sum(1 for problem in problems if problem["level"] == level) for level in SOLVERS}
    if count != {level: len(solvers) for level, solvers in SOLVERS.items()}:
        sys.exit(f"{count}: 14 problems of each level were expected")
    wrong, position = 0, dict.fromkeys(SOLVERS, 0)
    for problem in problems:
        level = problem["level"]
        found = SOLVERS[level][position[level]]()
        position[level] += 1
        if Rational(found) != Rational(problem["answer"]):
            wrong += 1
            print(f"{problem['id']}: the file says {problem['answer']}, acting it out gives {found}")
    print(f"equations and counting: {len(problems) - wrong} of {len(problems)} answers agree")
    sys.exit(1 if wrong else 0)


main()
