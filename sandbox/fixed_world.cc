// SPDX-License-Identifier: Apache-2.0
#include "sandbox/fixed_world.h"

#include <sys/random.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <string>
#include <utility>

namespace orrery::sandbox {
namespace {

constexpr int64_t kNanosecond = 1'000'000'000;
constexpr int64_t kEpoch = 1'704'067'200 * kNanosecond;
constexpr int64_t kTick = 1'000'000;

int64_t elapsed = 0;  // nanoseconds since kEpoch
uint64_t entropy = 0;

timespec Timespec(int64_t nanoseconds) { return {nanoseconds / kNanosecond, nanoseconds % kNanosecond}; }

int64_t Nanoseconds(const timespec& time) { return time.tv_sec * kNanosecond + time.tv_nsec; }

int64_t Tick() { return elapsed += kTick; }

// splitmix64: good enough for a guest, and one addition of state.
uint64_t NextEntropy() {
  uint64_t z = entropy += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

void Fill(void* to, size_t size) {
  auto* bytes = static_cast<char*>(to);
  for (size_t done = 0; done < size; done += sizeof(uint64_t)) {
    const uint64_t word = NextEntropy();
    std::memcpy(bytes + done, &word, std::min(sizeof(word), size - done));
  }
}

// Python's sleeps end at once: only the clock moves.
void Sleep(int64_t until) { elapsed = std::max(elapsed, until); }

}  // namespace

void SeedEntropy(uint64_t seed) { entropy = seed; }

void ResetClock() { elapsed = 0; }

extern "C" {

int clock_gettime(clockid_t clock, timespec* now) noexcept {
  *now = Timespec(Tick() + (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE ? kEpoch : 0));
  return 0;
}

int gettimeofday(timeval* __restrict now, void* __restrict) noexcept {
  const timespec time = Timespec(Tick() + kEpoch);
  *now = {time.tv_sec, time.tv_nsec / 1000};
  return 0;
}

time_t time(time_t* now) noexcept {
  const time_t seconds = (Tick() + kEpoch) / kNanosecond;
  if (now != nullptr) *now = seconds;
  return seconds;
}

clock_t clock() noexcept { return Tick() / (kNanosecond / CLOCKS_PER_SEC); }

int clock_nanosleep(clockid_t clock, int flags, const timespec* request, timespec*) {
  const int64_t start = clock == CLOCK_REALTIME ? kEpoch : 0;
  Sleep(Nanoseconds(*request) + ((flags & TIMER_ABSTIME) != 0 ? -start : elapsed));
  return 0;
}

int nanosleep(const timespec* request, timespec*) {
  Sleep(Nanoseconds(*request) + elapsed);
  return 0;
}

pid_t getpid() noexcept { return 2; }
pid_t getppid() noexcept { return 1; }

ssize_t getrandom(void* to, size_t size, unsigned) {
  Fill(to, size);
  return static_cast<ssize_t>(size);
}

int getentropy(void* to, size_t size) {
  Fill(to, size);
  return 0;
}

}  // extern "C"

namespace {

PyObject* WithoutAddress(PyObject* repr) {
  if (repr == nullptr || !PyUnicode_Check(repr)) return repr;
  Py_ssize_t size = 0;
  const char* utf8 = PyUnicode_AsUTF8AndSize(repr, &size);
  if (utf8 == nullptr) {
    PyErr_Clear();
    return repr;
  }
  constexpr std::string_view kMark = " at 0x";
  std::string_view text(utf8, static_cast<size_t>(size));
  if (text.find(kMark) == std::string_view::npos) return repr;
  std::string clean;
  for (size_t at = 0; (at = text.find(kMark)) != std::string_view::npos;) {
    clean.append(text.substr(0, at));
    text.remove_prefix(at + kMark.size());
    text.remove_prefix(std::min(text.find_first_not_of("0123456789abcdef"), text.size()));
  }
  clean.append(text);
  Py_DECREF(repr);
  return PyUnicode_FromStringAndSize(clean.data(), static_cast<Py_ssize_t>(clean.size()));
}

// Each place holds one of CPython's own repr functions; the wrapper of the same number calls it.
constexpr size_t kPlaces = 24;
std::array<reprfunc, kPlaces> original{};
size_t places = 0;

template <size_t kPlace>
PyObject* Wrapper(PyObject* self) {
  return WithoutAddress(original[kPlace](self));
}

template <size_t... kPlace>
constexpr std::array<reprfunc, kPlaces> Wrappers(std::index_sequence<kPlace...>) {
  return {&Wrapper<kPlace>...};
}
constexpr auto kWrapper = Wrappers(std::make_index_sequence<kPlaces>());

// The wrapper of `function`, or null where it is none of those that print addresses.
reprfunc WrapperOf(reprfunc function) {
  const reprfunc* const end = original.data() + places;
  const reprfunc* const found = std::find(static_cast<const reprfunc*>(original.data()), end, function);
  return found == end ? nullptr : kWrapper[static_cast<size_t>(found - original.data())];
}

bool PrintsAddresses(const PyTypeObject* type) {
  constexpr std::string_view kNames[] = {"object",
                                         "function",
                                         "builtin_function_or_method",
                                         "method-wrapper",
                                         "generator",
                                         "coroutine",
                                         "async_generator",
                                         "code",
                                         "frame",
                                         "cell",
                                         "weakref",
                                         "weakref.ReferenceType",
                                         "memoryview",
                                         "_thread.lock",
                                         "_thread.RLock",
                                         "PyCapsule",
                                         "weakproxy"};
  return std::find(std::begin(kNames), std::end(kNames), type->tp_name) != std::end(kNames);
}

// Python code that calls object.__repr__ by name goes through a descriptor that keeps the C function.
void PatchDescriptor(PyTypeObject* type) {
  PyObject* descriptor = type->tp_dict == nullptr ? nullptr : PyDict_GetItemString(type->tp_dict, "__repr__");
  if (descriptor == nullptr || Py_TYPE(descriptor) != &PyWrapperDescr_Type) return;
  auto* wrapped = reinterpret_cast<PyWrapperDescrObject*>(descriptor);
  if (auto* wrapper = WrapperOf(reinterpret_cast<reprfunc>(wrapped->d_wrapped)); wrapper != nullptr) {
    wrapped->d_wrapped = reinterpret_cast<void*>(wrapper);
  }
}

}  // namespace

bool HideAddresses(PyObject* types) {
  const Py_ssize_t count = PyList_Size(types);
  if (count < 0) return false;
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* item = PyList_GET_ITEM(types, i);
    if (!PyType_Check(item)) {
      PyErr_SetString(PyExc_TypeError, "a list of types was expected");
      return false;
    }
    const auto* type = reinterpret_cast<PyTypeObject*>(item);
    if (!PrintsAddresses(type) || WrapperOf(type->tp_repr) != nullptr || places == kPlaces) continue;
    original[places++] = type->tp_repr;
  }
  for (Py_ssize_t i = 0; i < count; ++i) {
    auto* type = reinterpret_cast<PyTypeObject*>(PyList_GET_ITEM(types, i));
    PatchDescriptor(type);
    if (auto* wrapper = WrapperOf(type->tp_repr); wrapper != nullptr) type->tp_repr = wrapper;
    PyType_Modified(type);
  }
  return true;
}

}  // namespace orrery::sandbox
