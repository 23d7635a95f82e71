// SPDX-License-Identifier: Apache-2.0
// What the store promises when things go wrong: kill -9, a full disk, a second process, damaged files.
//
// Children are this program started anew (a fork alone would lack RocksDB's threads): `faults_test --child=WHAT FOLDER
// START`.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iostream>
#include <map>
#include <random>
#include <set>

#include "base/paths.h"
#include "tests/store/records.h"

namespace orrery::store {
namespace {

namespace fs = std::filesystem;

Path PathOf(uint32_t number) {
  return {static_cast<uint8_t>(number >> 16), static_cast<uint8_t>(number >> 8), static_cast<uint8_t>(number)};
}

ExpansionChunk Numbered(const std::string& problem, uint32_t number, size_t bytes) {
  return MakeExpansion(problem, PathOf(number), {{.text = std::to_string(number) + std::string(bytes, 'x')}}, number);
}

// Which expansions of problem "p" the store has; each is checked to be whole.
std::set<uint32_t> Found(const Store& store) {
  std::set<uint32_t> numbers;
  const auto expansions = store.Expansions("p");
  EXPECT_TRUE(expansions.ok()) << Message(expansions.status());
  if (!expansions.ok()) return numbers;
  for (const ExpansionChunk& one : *expansions) {
    const uint32_t number = one->tokens_generated();
    EXPECT_EQ(one->candidates()->Get(0)->text()->str().substr(0, std::to_string(number).size()),
              std::to_string(number));
    numbers.insert(number);
  }
  return numbers;
}

// Writes groups of random size without end and says each number on standard output once it is acknowledged. Now and
// then the tree is finished.
int WriteForever(const fs::path& folder, uint32_t number) {
  auto store = Store::Open(folder, "f", "{}").value();
  std::mt19937 random(number);
  while (true) {
    std::string acknowledged;
    for (uint32_t left = random() % 8 + 1; left > 0; --left, ++number) {
      store->PutExpansion("p", PathOf(number), Numbered("p", number, random() % 3000));
      acknowledged += std::to_string(number) + "\n";
    }
    if (random() % 50 == 0) store->PutTree("p", MakeTree("p", store->Expansions("p").value()));
    if (!store->Commit().ok()) return 1;
    if (::write(STDOUT_FILENO, acknowledged.data(), acknowledged.size()) < 0) return 2;
  }
}

// A disk that is full after 300 kB, as far as this process goes.
int WriteUntilFull(const fs::path& folder, uint32_t number) {
  auto store = Store::Open(folder, "f", "{}").value();
  ::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit = {300'000, 300'000};
  ::setrlimit(RLIMIT_FSIZE, &limit);
  std::mt19937 random(number);
  for (; number < 10'000; ++number) {
    std::string noise(2000, 'x');
    for (char& c : noise) c = static_cast<char>('a' + random() % 26);
    store->PutExpansion("p", PathOf(number),
                        MakeExpansion("p", PathOf(number), {{.text = std::to_string(number) + noise}}, number));
    const Status status = store->Commit();
    if (!status.ok()) {
      std::cerr << Message(status) << std::endl;
      store->PutExpansion("p", PathOf(number), Numbered("p", number, 0));
      const bool refused = store->Commit() == status && !store->PutMark("a", "b").ok();
      std::cout << std::flush;
      const bool whole = Found(*store).size() == number;
      store.reset();  // closes in good order too
      return refused && whole ? 42 : 1;
    }
    std::cout << number << "\n";
  }
  return 2;
}

// Holds the store until its standard output's reader goes away.
int Hold(const fs::path& folder, uint32_t) {
  auto store = Store::Open(folder, "f", "{}").value();
  std::cout << "0\n" << std::flush;
  ::pause();
  return 0;
}

struct Child {
  pid_t pid = 0;
  FILE* output = nullptr;
};

Child Start(const std::string& what, const fs::path& folder, uint32_t start) {
  int pipe[2];
  EXPECT_EQ(::pipe2(pipe, O_CLOEXEC), 0);
  const std::string argument = "--child=" + what, number = std::to_string(start);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(pipe[1], STDOUT_FILENO);
    ::execl("/proc/self/exe", "faults_test", argument.c_str(), folder.c_str(), number.c_str(), nullptr);
    ::_exit(127);
  }
  ::close(pipe[1]);
  return {pid, ::fdopen(pipe[0], "r")};
}

// The next number that the child says, or false at the end.
bool Next(const Child& child, uint32_t* number) { return std::fscanf(child.output, "%u", number) == 1; }

int Wait(const Child& child) {
  int status = 0;
  ::waitpid(child.pid, &status, 0);
  std::fclose(child.output);
  return status;
}

TEST(Faults, KilledAtRandomMomentsNothingAcknowledgedIsLost) {
  TemporaryFolder folder;
  std::mt19937 random(3);
  std::set<uint32_t> acknowledged;
  uint32_t start = 0;
  for (int round = 0; round < 8; ++round) {
    const Child child = Start("write", folder.path(), start);
    uint32_t number = 0;
    for (uint32_t left = random() % 400 + 1; left > 0 && Next(child, &number); --left) acknowledged.insert(number);
    ::usleep(random() % 3000);
    ::kill(child.pid, SIGKILL);
    while (Next(child, &number)) acknowledged.insert(number);
    ASSERT_EQ(WTERMSIG(Wait(child)), SIGKILL);

    auto store = Store::Open(folder.path(), "f", "{}");
    ASSERT_TRUE(store.ok()) << Message(store.status());
    const std::set<uint32_t> found = Found(**store);
    ASSERT_FALSE(found.empty());
    ASSERT_TRUE(std::includes(found.begin(), found.end(), acknowledged.begin(), acknowledged.end()))
        << "round " << round;
    start = *found.rbegin() + 1;
  }
  EXPECT_GT(acknowledged.size(), 500u);
}

TEST(Faults, AFullDiskIsSaidOnceAndNothingAcknowledgedIsLost) {
  TemporaryFolder folder;
  const Child child = Start("full", folder.path(), 0);
  uint32_t number = 0, count = 0;
  while (Next(child, &number)) ++count;
  EXPECT_EQ(WEXITSTATUS(Wait(child)), 42);
  ASSERT_GT(count, 10u);
  auto store = Store::Open(folder.path(), "f", "{}");
  ASSERT_TRUE(store.ok()) << Message(store.status());
  EXPECT_GE(Found(**store).size(), count);
  (*store)->PutExpansion("p", PathOf(count), Numbered("p", count, 10));
  EXPECT_TRUE((*store)->Commit().ok());  // there is room again
}

TEST(Faults, InUseByAnotherProcess) {
  TemporaryFolder folder;
  const Child child = Start("hold", folder.path(), 0);
  uint32_t number = 1;
  ASSERT_TRUE(Next(child, &number));
  const auto store = Store::Open(folder.path(), "f", "{}");
  EXPECT_EQ(store.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(Message(store.status()).find(std::to_string(child.pid)), std::string::npos) << Message(store.status());
  EXPECT_TRUE(Store::OpenReadOnly(folder.path()).ok());
  ::kill(child.pid, SIGKILL);
  Wait(child);
  EXPECT_TRUE(Store::Open(folder.path(), "f", "{}").ok());
}

std::vector<fs::path> FilesLike(const fs::path& folder, std::string_view part) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.path().filename().string().find(part) != std::string::npos && fs::file_size(entry.path()) > 0)
      files.push_back(entry.path());
  }
  return files;
}

// A store as a kill would leave it: a hundred expansions in a table, three hundred more in the log alone.
std::map<uint32_t, std::string> FillAndFreeze(const fs::path& folder, const fs::path& frozen) {
  std::map<uint32_t, std::string> all;
  std::mt19937 random(9);
  const auto write = [&](Store* store, uint32_t from, uint32_t to) {
    for (uint32_t i = from; i < to; ++i) {
      std::string text = std::to_string(i);
      for (int k = 0; k < 500; ++k) text += static_cast<char>('a' + random() % 26);
      const ExpansionChunk expansion = MakeExpansion("p", PathOf(i), {{.text = text}}, i);
      all[i] = std::string(expansion.bytes());
      store->PutExpansion("p", PathOf(i), expansion);
      ASSERT_TRUE(store->Commit().ok());
    }
  };
  write(Store::Open(folder, "f", "{}").value().get(), 0, 100);
  auto store = Store::Open(folder, "f", "{}").value();  // moves what is in the log into a table
  write(store.get(), 100, 400);
  fs::create_directory(frozen);
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_regular_file()) fs::copy(entry.path(), frozen / entry.path().filename());
  }
  return all;
}

// Whatever byte of a table, the manifest or a log is damaged: a clear error or the right content; never a wrong one,
// never a crash. One thing RocksDB cannot tell from half a write, which it must forgive: a flipped length in the last
// block (32 KiB) of the log or the manifest. So only the first half of the log is damaged here, and few of the
// manifest's rounds (it is all one block) may find less than there was.
TEST(Faults, DamagedFilesAreNoticed) {
  TemporaryFolder folder;
  const fs::path frozen = folder.path() / "frozen";
  const std::map<uint32_t, std::string> all = FillAndFreeze(folder.path() / "live", frozen);
  ASSERT_EQ(Found(*Store::OpenReadOnly(frozen).value()).size(), 400u);
  std::mt19937 random(5);
  for (const std::string kind : {".sst", "MANIFEST", ".log", "CURRENT"}) {
    const double part = kind == ".log" ? 0.5 : 1;
    int noticed = 0, looked_torn = 0;
    for (int round = 0; round < 25; ++round) {
      const fs::path copy = folder.path() / (kind + std::to_string(round));
      fs::copy(frozen, copy);
      const std::vector<fs::path> files = FilesLike(copy, kind);
      ASSERT_FALSE(files.empty()) << kind;
      const fs::path file = files[random() % files.size()];
      std::string bytes = ReadFile(file).value();
      bytes[random() % static_cast<size_t>(std::ceil(static_cast<double>(bytes.size()) * part))] ^=
          static_cast<char>(1 << random() % 8);
      std::ofstream(file, std::ios::binary) << bytes;

      const auto store = Store::Open(copy, "f", "{}");
      const auto expansions =
          store.ok() ? (*store)->Expansions("p") : StatusOr<std::vector<ExpansionChunk>>(store.status());
      if (!expansions.ok()) {
        ++noticed;
        EXPECT_NE(Message(expansions.status()).find(copy.string()), std::string::npos) << Message(expansions.status());
        EXPECT_EQ(ExitCode(expansions.status()), 1);
        continue;
      }
      if (expansions->size() != all.size()) ++looked_torn;
      for (const ExpansionChunk& one : *expansions) EXPECT_TRUE(one.bytes() == all.at(one->tokens_generated()));
    }
    EXPECT_GT(noticed, 5) << kind;
    EXPECT_LE(looked_torn, kind == "MANIFEST" ? 3 : 0) << kind;
  }
}

}  // namespace

int RunChild(const std::string& what, const fs::path& folder, uint32_t start) {
  if (what == "write") return WriteForever(folder, start);
  if (what == "full") return WriteUntilFull(folder, start);
  return Hold(folder, start);
}

}  // namespace orrery::store

int main(int argc, char** argv) {
  constexpr std::string_view kChild = "--child=";
  if (argc == 4 && std::string_view(argv[1]).starts_with(kChild)) {
    return orrery::store::RunChild(argv[1] + kChild.size(), argv[2], static_cast<uint32_t>(std::stoul(argv[3])));
  }
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
