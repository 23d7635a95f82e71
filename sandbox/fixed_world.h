// SPDX-License-Identifier: Apache-2.0
#pragma once

// Makes the interpreter's surroundings the same on every run: clocks, process id and entropy of the C library are
// answered here, and an object's repr names no address.
//
// The program that links this overrides clock_gettime, time, gettimeofday, clock, nanosleep, clock_nanosleep, getpid,
// getppid, getrandom and getentropy for libpython and every extension module. Time starts at 2024-01-01T00:00:00Z,
// moves one millisecond with every reading and jumps over sleeps.

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <cstdint>

namespace orrery::sandbox {

// Starts the stream that getrandom gives from `seed`.
void SeedEntropy(uint64_t seed);

// Back to the first moment: how often the clock was read while warming up does not show.
void ResetClock();

// Takes " at 0x…" out of what `object`'s, functions', generators' and their like's repr gives, in each of `types` (a
// list of every type there is); later types inherit it. False with a Python exception set where the list is not one of
// types.
bool HideAddresses(PyObject* types);

}  // namespace orrery::sandbox
