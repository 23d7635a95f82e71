# SPDX-License-Identifier: Apache-2.0
"""Warms the sandbox's interpreter: run once by sandbox/interpreter.cc, before the walls close behind it.

Leaves in its namespace what the interpreter's loop calls for each step: `main` (the step's globals), `compile_step`, `prepare`,
`describe`, `flush` and `rehearse`. Nothing can be opened later, so whatever a step may import is loaded here or kept in the archive.
"""

import builtins
import gc
import importlib
import importlib.machinery
import marshal
import os
import sys
import traceback
import types

import _orrery

# Loaded at once: what models use most. Each costs every fork its pages.
PRELOADED = """
abc array ast base64 binascii bisect calendar cmath collections collections.abc colorsys contextlib copy csv dataclasses datetime
decimal difflib enum fractions functools graphlib hashlib heapq inspect io itertools json keyword math numbers operator pprint queue
random re reprlib secrets statistics string struct textwrap threading time timeit token tokenize types typing unicodedata uuid
warnings weakref zlib
""".split()

# What of a package is loaded with it, where models use more than its root. Of other packages it is the parts that are machine code:
# nothing executable can be mapped later.
PARTS = {
    "mpmath": "",
    "numpy": "numpy.fft numpy.linalg numpy.polynomial numpy.random",
    "sympy": """
sympy.abc sympy.calculus sympy.calculus.util sympy.combinatorics sympy.combinatorics.permutations
sympy.core.power sympy.diffgeom.rn sympy.functions.combinatorial.numbers sympy.geometry sympy.integrals.manualintegrate
sympy.integrals.meijerint sympy.integrals.risch sympy.logic.boolalg sympy.matrices sympy.ntheory sympy.ntheory.factor_
sympy.ntheory.modular sympy.ntheory.multinomial sympy.ntheory.residue_ntheory sympy.parsing.sympy_parser sympy.polys.polytools
sympy.printing.latex sympy.sets.setexpr sympy.simplify.fu sympy.solvers.diophantine sympy.solvers.inequalities
sympy.solvers.recurr sympy.solvers.solveset sympy.stats sympy.utilities.iterables sympy.utilities.lambdify
""",
}

# Packages that a step may import beside the modules above (sandbox.packages); the rest of them is kept as byte code and loaded by the step
# that asks.
IMPORTS = _orrery.imports.split()

REHEARSALS = 20  # Python adapts a function to what it is called with after some eight calls

NOT_ARCHIVED = {"tests", "testing", "benchmarks", "plotting", "f2py", "distutils", "codegen", "autolev", "pyinstaller", "__pycache__"}


class Archive:
    """Finds the byte code of modules that were not preloaded in a sealed memory file, shared by every process."""

    def __init__(self):
        self._places = {}
        pieces = []
        size = 0
        for package in IMPORTS:
            for name, is_package, path in _modules(_place(package), package):
                code = _byte_code(path)
                if code is None:
                    continue
                self._places[name] = (is_package, size, size + len(code))
                pieces.append(code)
                size += len(code)
        self._bytes = _orrery.sealed(b"".join(pieces))

    def find_spec(self, name, path=None, target=None):
        place = self._places.get(name)
        return place and importlib.machinery.ModuleSpec(name, self, is_package=place[0])

    def create_module(self, spec):
        return None

    def exec_module(self, module):
        _, start, end = self._places[module.__spec__.name]
        exec(marshal.loads(self._bytes[start:end]), module.__dict__)


def _place(package):
    """A package's folder; nothing where it is a single file."""
    return next(iter(getattr(sys.modules[package], "__path__", ())), None)


def _load(package):
    importlib.import_module(package)
    if package in PARTS:
        for name in PARTS[package].split():
            importlib.import_module(name)
        return
    for name in sorted(_machine_code(_place(package), package)):
        try:
            importlib.import_module(name)
        except Exception:  # a part that needs what is not installed is not to be had, as without walls
            pass


def _machine_code(folder, package):
    """The parts of a package that are packages themselves, and those that are no Python."""
    if folder is None:
        return
    for entry in os.scandir(folder):
        name = entry.name.split(".")[0]
        if entry.is_dir() and _is_package(entry):
            yield package + "." + name
            yield from _machine_code(entry.path, package + "." + name)
        elif entry.name.endswith(".so") and not name.startswith(("test", "_test")):
            yield package + "." + name


def _is_package(entry):
    return entry.name not in NOT_ARCHIVED and os.path.exists(os.path.join(entry.path, "__init__.py"))


def _modules(folder, package):
    if folder is None:
        return
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        stem = entry.name.removesuffix(".py")
        if entry.is_dir() and _is_package(entry):
            yield from _modules(entry.path, package + "." + entry.name)
        elif stem == "__init__":
            yield package, True, entry.path
        elif stem != entry.name and not stem.startswith("test"):
            yield package + "." + stem, False, entry.path


def _byte_code(path):
    folder, name = os.path.split(path)
    cached = os.path.join(folder, "__pycache__", name.removesuffix(".py") + "." + sys.implementation.cache_tag + ".pyc")
    try:
        with open(cached, "rb") as file:
            return file.read()[16:]
    except OSError:
        pass
    try:
        with open(path, "rb") as file:
            return marshal.dumps(compile(file.read(), path, "exec", dont_inherit=True))
    except (SyntaxError, ValueError):
        return None


def _warm_numpy():
    import numpy

    numpy.linalg.solve(numpy.array([[3.0, 1.0], [1.0, 2.0]]), numpy.array([9.0, 8.0]))
    str(numpy.arange(6).reshape(2, 3) / 7), numpy.roots([1, -3, 2]), numpy.random.default_rng(1).random()


def _warm_sympy():
    import sympy

    x, y = sympy.symbols("x y")
    n = sympy.Symbol("n", integer=True, positive=True)
    sympy.solve(x**2 - 5 * x + 6, x)
    sympy.solve([x + y - 3, x - y - 1], [x, y])
    sympy.solveset(sympy.sin(x) - 1, x, sympy.S.Reals)
    sympy.solve(2 * x + 3 > 7, x)
    sympy.integrate(x * sympy.exp(x) + sympy.sin(x) ** 2, x)
    sympy.integrate(x**2, (x, 0, 1))
    sympy.diff(sympy.log(x) / x, x)
    sympy.limit(sympy.sin(x) / x, x, 0)
    sympy.series(sympy.cos(x), x, 0, 4)
    sympy.summation(n, (n, 1, 10))
    sympy.factorint(360360)
    sympy.isprime(10**9 + 7)
    sympy.divisors(60)
    matrix = sympy.Matrix([[1, 2], [3, 4]])
    matrix.inv(), matrix.det(), matrix.eigenvals(), matrix.rref()
    sympy.simplify(sympy.sin(x) ** 2 + sympy.cos(x) ** 2)
    sympy.factor(x**2 - 1), sympy.expand((x + y) ** 3), sympy.apart(1 / (x * (x + 1)))
    sympy.nsolve(sympy.cos(x) - x, 1)
    sympy.binomial(10, 3), sympy.gcd(12, 18), sympy.lcm(4, 6), sympy.sqrt(50), sympy.Rational(1, 3).evalf(20)
    sympy.sympify("2*x + 1"), sympy.latex(x**2 / 3), sympy.pretty(x**2 / 3), str(sympy.pi), repr(sympy.Eq(x, y))


def _every_type():
    found = []
    seen = set()
    waiting = [object]
    while waiting:
        kind = waiting.pop()
        if kind in seen:
            continue
        seen.add(kind)
        found.append(kind)
        waiting.extend(type.__subclasses__(kind))
    return found


def _close_doors(archive):
    """From here on nothing is looked for in files, and the machine answers nothing of its own."""
    sys.meta_path[:] = [importlib.machinery.BuiltinImporter, importlib.machinery.FrozenImporter, archive]
    sys.path[:] = []
    sys.path_hooks[:] = []
    sys.path_importer_cache.clear()
    sys.argv[:] = [""]
    os.cpu_count = lambda: 1
    sys.modules["_thread"].get_native_id = sys.modules["threading"].get_native_id = lambda: 2
    builtins.exit = builtins.quit = sys.exit
    _orrery.hide_addresses(_every_type())


def compile_step(code):
    return _compile(str(code, "utf-8"), "<step>", "exec", 0, True)


def prepare(seed):
    _orrery.seed_entropy(seed)
    _seed_python(seed)
    if _seed_numpy is not None:
        _seed_numpy(seed & 0xFFFFFFFF)


def flush():
    for stream in {id(sys.stdout): sys.stdout, id(_stdout): _stdout}.values():
        if stream is not None and not stream.closed:
            stream.flush()


def describe(error):
    """The line of the traceback that names the exception."""
    for entry in _format(type(error), error):
        if not entry[:1].isspace():
            return entry.split("\n", 1)[0].encode("utf-8", "backslashreplace")
    return type(error).__name__.encode("utf-8", "backslashreplace")


def rehearse():
    """Steps as the interpreter's loop runs them: what a first one writes and looks up is done once, not in every fork."""
    world = {"__name__": "__main__", "__builtins__": builtins}
    for number in range(REHEARSALS):
        prepare(number)
        exec(compile_step(b"total = 0\nfor i in range(3):\n    total += i / 2\nprint(f'{total:.2f}', [total], end='')\n"), world)
        flush()
    try:
        exec(compile_step(b"1 / 0"), world)
    except ZeroDivisionError as error:
        describe(error)
    gc.collect()
    gc.freeze()


for _name in PRELOADED:
    importlib.import_module(_name)
for _name in IMPORTS:
    _load(_name)
_archive = Archive()
# The caches that a first call pays for.
if "numpy" in IMPORTS:
    _warm_numpy()
if "sympy" in IMPORTS:
    _warm_sympy()

_compile = compile
_stdout = sys.stdout
_format = traceback.format_exception_only
_seed_python = sys.modules["random"].seed
_seed_numpy = sys.modules["numpy"].random.seed if "numpy" in sys.modules else None

_main = types.ModuleType("__main__")
_main.__builtins__ = builtins
sys.modules["__main__"] = _main
main = _main.__dict__

_close_doors(_archive)
gc.collect()
gc.freeze()
