// SPDX-License-Identifier: Apache-2.0
// The process in which guests run: a warm Python whose every pause is a wait for the supervisor's grant to fork
// (step_protocol.h).
//
// Started by the supervisor with descriptor 3 as its report socket:
//   interpreter ZYGOTE.py PACKAGES_FOLDER MEMORY_BYTES CPU_SECONDS PARENT_DEATH(0|1) IMPORTS

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <span>
#include <sstream>
#include <string>

#include "sandbox/arenas.h"
#include "sandbox/filter.h"
#include "sandbox/fixed_world.h"
#include "sandbox/landlock.h"
#include "sandbox/mappings.h"
#include "sandbox/sealed.h"
#include "sandbox/step_protocol.h"

namespace orrery::sandbox {
namespace {

// What zygote.py leaves for the loop below.
struct Helpers {
  PyObject* main = nullptr;
  PyObject* compile_step = nullptr;
  PyObject* prepare = nullptr;
  PyObject* flush = nullptr;
  PyObject* describe = nullptr;
  PyObject* rehearse = nullptr;
};

[[noreturn]] void Die(std::string_view what, std::string_view why) {
  std::fprintf(stderr, "the sandbox's interpreter: %.*s: %.*s\n", static_cast<int>(what.size()), what.data(),
               static_cast<int>(why.size()), why.data());
  std::exit(1);
}

PyObject* HideAddressesFunction(PyObject*, PyObject* types) {
  if (!HideAddresses(types)) return nullptr;
  Py_RETURN_NONE;
}

PyObject* SeedEntropyFunction(PyObject*, PyObject* seed) {
  SeedEntropy(PyLong_AsUnsignedLongLongMask(seed));
  if (PyErr_Occurred() != nullptr) return nullptr;
  Py_RETURN_NONE;
}

// A read-only view of a copy of `bytes` that no process can write to again, however it maps it.
PyObject* SealedFunction(PyObject*, PyObject* bytes) {
  char* data = nullptr;
  Py_ssize_t size = 0;
  if (PyBytes_AsStringAndSize(bytes, &data, &size) != 0) return nullptr;
  const std::span<const char> piece(data, static_cast<size_t>(size));
  const int file = SealedFile({&piece, 1});
  void* memory = MAP_FAILED;
  if (file >= 0) memory = mmap(nullptr, std::max<size_t>(piece.size(), 1), PROT_READ, MAP_SHARED, file, 0);
  const int reason = errno;
  if (file >= 0) close(file);
  if (memory == MAP_FAILED) return PyErr_Format(PyExc_OSError, "no sealed memory: %s", std::strerror(reason));
  return PyMemoryView_FromMemory(static_cast<char*>(memory), size, PyBUF_READ);
}

PyMethodDef functions[] = {{"hide_addresses", &HideAddressesFunction, METH_O, nullptr},
                           {"seed_entropy", &SeedEntropyFunction, METH_O, nullptr},
                           {"sealed", &SealedFunction, METH_O, nullptr},
                           {nullptr, nullptr, 0, nullptr}};
PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT, "_orrery", nullptr, -1, functions, nullptr, nullptr, nullptr, nullptr};

const char* imports = "";  // what of the packages a step may import

PyObject* MakeModule() {
  PyObject* module = PyModule_Create(&module_definition);
  if (module != nullptr && PyModule_AddStringConstant(module, "imports", imports) != 0) Py_CLEAR(module);
  return module;
}

void Check(const PyStatus& status, std::string_view what) {
  if (PyStatus_Exception(status) != 0) Die(what, status.err_msg == nullptr ? "failed" : status.err_msg);
}

void StartPython(const std::filesystem::path& packages) {
  PyImport_AppendInittab("_orrery", &MakeModule);
  PyPreConfig before;
  PyPreConfig_InitIsolatedConfig(&before);
  before.utf8_mode = 1;
  Check(Py_PreInitialize(&before), "Python's preparation");
  PyConfig config;
  PyConfig_InitIsolatedConfig(&config);
  config.use_hash_seed = 1;
  config.hash_seed = 0;
  config.site_import = 0;
  config.write_bytecode = 0;
  config.install_signal_handlers = 0;
  config.pathconfig_warnings = 0;
  config.module_search_paths_set = 1;
  const std::filesystem::path library =
      "/usr/lib/python" + std::to_string(PY_MAJOR_VERSION) + "." + std::to_string(PY_MINOR_VERSION);
  for (const auto& folder : {library, library / "lib-dynload", packages}) {
    Check(PyWideStringList_Append(&config.module_search_paths, folder.wstring().c_str()), "the module search path");
  }
  Check(Py_InitializeFromConfig(&config), "Python's start");
  PyConfig_Clear(&config);
}

Helpers Warm(const char* script) {
  std::ifstream file(script, std::ios::binary);
  std::ostringstream source;
  source << file.rdbuf();
  if (!file) Die(script, "cannot be read");
  PyObject* code = Py_CompileString(source.str().c_str(), script, Py_file_input);
  PyObject* globals = PyDict_New();
  PyObject* name = PyUnicode_FromString("orrery_zygote");
  if (code == nullptr || globals == nullptr || name == nullptr ||
      PyDict_SetItemString(globals, "__name__", name) != 0 ||
      PyDict_SetItemString(globals, "__builtins__", PyEval_GetBuiltins()) != 0 ||
      PyEval_EvalCode(code, globals, globals) == nullptr) {
    PyErr_Print();
    Die(script, "failed");
  }
  const auto get = [&](const char* what) {
    PyObject* item = PyDict_GetItemString(globals, what);
    if (item == nullptr) Die(script, std::string("defines no ") + what);
    return item;
  };
  return {get("main"), get("compile_step"), get("prepare"), get("flush"), get("describe"), get("rehearse")};
}

void Limit(int resource, rlim_t value) {
  const rlimit limit{value, value};
  if (setrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0) Die("setrlimit", std::strerror(errno));
}

constexpr rlim_t kMaxProcesses = 4096;  // a second line: the filter lets nobody fork but by grant

// Address space is limited to what the warm interpreter has plus `memory_bytes`. Processes are counted for each user:
// they are limited only where the sandbox has users of its own.
void LimitResources(uint64_t memory_bytes, bool own_users) {
  std::ifstream file("/proc/self/statm");
  uint64_t pages = 0;
  if (!(file >> pages)) Die("/proc/self/statm", "cannot be read");
  Limit(RLIMIT_AS, pages * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) + memory_bytes);
  if (own_users) Limit(RLIMIT_NPROC, kMaxProcesses);
  Limit(RLIMIT_FSIZE, 0);
  Limit(RLIMIT_CORE, 0);
  Limit(RLIMIT_NOFILE, 32);
  Limit(RLIMIT_MEMLOCK, 0);
  Limit(RLIMIT_MSGQUEUE, 0);
}

void SendListener(int descriptor, int landlock) {
  char byte = static_cast<char>(landlock);
  iovec data{&byte, 1};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
  if (sendmsg(kReportFd, &message, 0) != 1) Die("the filter's descriptor", std::strerror(errno));
}

void CloseFrom(int first) { close_range(static_cast<unsigned>(first), ~0U, 0); }

bool ReadAll(int file, void* to, size_t size) {
  auto* bytes = static_cast<char*>(to);
  while (size > 0) {
    const ssize_t got = read(file, bytes, size);
    if (got <= 0) return false;
    bytes += got;
    size -= static_cast<size_t>(got);
  }
  return true;
}

// The code that the supervisor gave, as bytes; null with an exception set.
PyObject* ReadCode(StepHeader* header) {
  if (!ReadAll(kGivenCodeFd, header, sizeof(*header))) return PyErr_Format(PyExc_SystemError, "no step was given");
  PyObject* code = PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(header->code_bytes));
  if (code != nullptr && !ReadAll(kGivenCodeFd, PyBytes_AS_STRING(code), header->code_bytes)) {
    Py_CLEAR(code);
    PyErr_Format(PyExc_SystemError, "half a step was given");
  }
  return code;
}

void Report(const char* text, size_t size) {
  // Where the guest has closed its socket nothing is reported, which hurts nobody else.
  if (write(kReportFd, text, std::min<size_t>(size, kMaxErrorBytes)) < 0) return;
}

Pause ReportException(const Helpers& helpers) {
  PyObject *type = nullptr, *value = nullptr, *trace = nullptr;
  PyErr_Fetch(&type, &value, &trace);
  PyErr_NormalizeException(&type, &value, &trace);
  const Pause pause = PyErr_GivenExceptionMatches(type, PyExc_MemoryError) != 0 ? Pause::kMemory : Pause::kError;
  Py_XDECREF(trace);
  PyObject* line = PyObject_CallOneArg(helpers.describe, value);
  if (line != nullptr && PyBytes_Check(line)) {
    Report(PyBytes_AS_STRING(line), static_cast<size_t>(PyBytes_GET_SIZE(line)));
  } else {
    PyErr_Clear();
    const char* name = reinterpret_cast<PyTypeObject*>(type)->tp_name;
    Report(name, std::strlen(name));
  }
  return pause;
}

// What holds of each step's process: its processor time, which counts from the fork, and whether it asks to go with its
// supervisor.
struct StepLimits {
  rlim_t cpu_seconds;
  bool parent_death;
};

// In the new process, before any of the guest's code: its own descriptors and no others.
Pause RunStep(const Helpers& helpers, const StepLimits& limits) {
  if (limits.parent_death) prctl(PR_SET_PDEATHSIG, SIGKILL);
  // The zygote itself has no such limit, since its forks add up. The call that the filter knows, not glibc's prlimit.
  const rlimit cpu{limits.cpu_seconds, limits.cpu_seconds};
  if (syscall(SYS_setrlimit, RLIMIT_CPU, &cpu) != 0) _exit(1);
  dup2(kGivenReportFd, kReportFd);
  dup2(kGivenOutputFd, kOutputFd);
  close_range(kReportFd + 1, kGivenCodeFd - 1, 0);
  CloseFrom(kGivenCodeFd + 1);
  // A supervisor that died before we asked to go with it reads no hello.
  if (write(kReportFd, kHello, sizeof(kHello)) != static_cast<ssize_t>(sizeof(kHello))) _exit(1);
  StepHeader header;
  PyObject* bytes = ReadCode(&header);
  close(kGivenCodeFd);
  PyObject* code = bytes == nullptr ? nullptr : PyObject_CallOneArg(helpers.compile_step, bytes);
  Py_XDECREF(bytes);
  PyObject* seed = code == nullptr ? nullptr : PyLong_FromUnsignedLongLong(header.seed);
  PyObject* prepared = seed == nullptr ? nullptr : PyObject_CallOneArg(helpers.prepare, seed);
  Py_XDECREF(seed);
  PyObject* value = prepared == nullptr ? nullptr : PyEval_EvalCode(code, helpers.main, helpers.main);
  Py_XDECREF(prepared);
  Py_XDECREF(code);
  Py_XDECREF(value);
  const bool failed = value == nullptr;
  const Pause pause = failed ? ReportException(helpers) : Pause::kOk;
  PyObject* flushed = PyObject_CallNoArgs(helpers.flush);
  if (flushed == nullptr && !failed) return ReportException(helpers);
  if (flushed == nullptr) PyErr_Clear();
  Py_XDECREF(flushed);
  return pause;
}

[[noreturn]] void Serve(const Helpers& helpers, const StepLimits& limits) {
  Pause ended = Pause::kOk;  // how this process's own step did
  uint64_t reason = 0;       // why the last fork failed
  for (;;) {
    const Pause pause = reason == 0 ? ended : Pause::kNoFork;
    const long child = syscall(SYS_clone, kForkFlags, 0, kPauseMagic, static_cast<uint64_t>(pause), reason);
    reason = child < 0 ? static_cast<uint64_t>(errno) : 0;
    if (reason == ENOSYS) _exit(1);  // nobody grants forks any more: the supervisor is gone
    if (child == 0) {
      ended = RunStep(helpers, limits);
    } else {
      CloseFrom(kReportFd + 1);
    }
  }
}

int Main(int argc, char** argv) {
  if (argc != 7) Die("arguments", "expected ZYGOTE.py PACKAGES MEMORY_BYTES CPU_SECONDS PARENT_DEATH IMPORTS");
  imports = argv[6];
  const bool parent_death = std::strcmp(argv[5], "1") == 0;
  if (parent_death) prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::signal(SIGPIPE, SIG_IGN);
  UseHugePages();
  StartPython(argv[2]);
  const Helpers helpers = Warm(argv[1]);
  UseOrdinaryPages();
  JoinMappings();
  // After that: what steps write to is known to the kernel as such.
  if (PyObject_CallNoArgs(helpers.rehearse) == nullptr) {
    PyErr_Print();
    Die(argv[1], "cannot rehearse a step");
  }
  ResetClock();
  LimitResources(std::strtoull(argv[3], nullptr, 10), !parent_death);
  const int opened = open("/dev/null", O_RDWR | O_CLOEXEC);
  // The filter lets only descriptors from kGivenReportFd on be put into another's place.
  const int null = opened < 0 ? -1 : fcntl(opened, F_DUPFD_CLOEXEC, kGivenReportFd);
  if (null < 0) Die("/dev/null", std::strerror(errno));
  const int landlock = ForbidFiles();
  std::string reason;
  const auto listener = LoadFilter(reason);
  if (!listener) Die("isolation", reason);
  SendListener(*listener, landlock);
  // Guests' standard error goes nowhere; until here it carried what kept us from starting.
  if (dup2(null, STDERR_FILENO) < 0) Die("standard error", std::strerror(errno));
  CloseFrom(kReportFd + 1);
  SettleHeap();
  Serve(helpers, {std::strtoull(argv[4], nullptr, 10), parent_death});
}

}  // namespace
}  // namespace orrery::sandbox

int main(int argc, char** argv) { return orrery::sandbox::Main(argc, argv); }
