// SPDX-License-Identifier: Apache-2.0
// A training's state on disk: it comes back bit for bit, a full disk leaves the one before, and what is not this
// training's is refused.

#include "model/training/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <numeric>

#include "tests/fresh.h"

namespace orrery::model {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

// What a training saves: weights and a moment of them, which differ from step to step.
struct State {
  explicit State(int step = 0, size_t count = 100'000) : weights(count), moment(count) {
    std::iota(weights.begin(), weights.end(), static_cast<float>(step));
    std::iota(moment.begin(), moment.end(), static_cast<float>(-step));
  }

  std::vector<CheckpointArray> arrays() { return {{"weights", weights}, {"moment", moment}}; }
  bool operator==(const State&) const = default;

  std::vector<float> weights, moment;
};

Status Save(const fs::path& folder, int step) {
  State state(step);
  return SaveCheckpoint(folder, {"this training", step}, state.arrays());
}

void ExpectLoads(const fs::path& folder, int step) {
  State state;
  const auto loaded = LoadCheckpoint(folder, "this training", state.arrays());
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(loaded->step, step);
  EXPECT_EQ(state, State(step));
}

// While it lives no file grows beyond `bytes`: a full disk, as far as a writer can tell.
class SmallFiles {
 public:
  explicit SmallFiles(rlim_t bytes) : handler_(signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit = {bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~SmallFiles() {
    setrlimit(RLIMIT_FSIZE, &before_);
    signal(SIGXFSZ, handler_);
  }
  SmallFiles(const SmallFiles&) = delete;
  SmallFiles& operator=(const SmallFiles&) = delete;

 private:
  sighandler_t handler_;
  rlimit before_ = {};
};

TEST(Checkpoint, TheLastOneSavedIsTheOneLoaded) {
  const fs::path folder = FreshPath("checkpoint");
  State state;
  EXPECT_TRUE(absl::IsNotFound(LoadCheckpoint(folder, "this training", state.arrays()).status()));
  for (const int step : {3, 8}) {
    ASSERT_TRUE(Save(folder, step).ok());
    ExpectLoads(folder, step);
  }
  EXPECT_FALSE(fs::exists(folder.string() + ".old"));
}

TEST(Checkpoint, AFullDiskLeavesTheOneBefore) {
  const fs::path folder = FreshPath("full");
  ASSERT_TRUE(Save(folder, 3).ok());
  for (const rlim_t bytes : {0, 4096, 399'999}) {  // an array has 400,000
    const SmallFiles files(bytes);
    const Status status = Save(folder, 8);
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
    EXPECT_THAT(Message(status), HasSubstr("more bytes are needed"));
    EXPECT_FALSE(fs::exists(folder.string() + ".partial")) << "what is half written goes";
    ExpectLoads(folder, 3);
  }
  ASSERT_TRUE(Save(folder, 8).ok());
  ExpectLoads(folder, 8);
}

TEST(Checkpoint, KilledBetweenTheRenamesTheOldOneIsRead) {
  const fs::path folder = FreshPath("renames");
  ASSERT_TRUE(Save(folder, 3).ok());
  fs::rename(folder, folder.string() + ".old");
  ExpectLoads(folder, 3);
  ASSERT_TRUE(Save(folder, 8).ok());
  ExpectLoads(folder, 8);
}

TEST(Checkpoint, WhatIsAnothersOrDamagedIsRefused) {
  const fs::path folder = FreshPath("refused");
  ASSERT_TRUE(Save(folder, 3).ok());
  State state;
  EXPECT_THAT(Message(LoadCheckpoint(folder, "another", state.arrays()).status()), HasSubstr("another training"));
  State larger(0, 200'000);
  EXPECT_THAT(Message(LoadCheckpoint(folder, "this training", larger.arrays()).status()),
              HasSubstr("array 'weights' of 200000 values was expected"));

  const auto damage = [&](const char* file, int at, char value) {
    std::fstream stream(folder / file, std::ios::in | std::ios::out | std::ios::binary);
    stream.seekp(at);
    stream.put(value);
  };
  damage("moment.f32", 1000, '\x55');
  EXPECT_THAT(Message(LoadCheckpoint(folder, "this training", state.arrays()).status()),
              HasSubstr("moment.f32: its bytes have changed"));
  fs::resize_file(folder / "weights.f32", 399'996);
  EXPECT_THAT(Message(LoadCheckpoint(folder, "this training", state.arrays()).status()),
              HasSubstr("weights.f32: 400000 bytes were expected"));
  damage("state.json", 0, '?');
  EXPECT_THAT(Message(LoadCheckpoint(folder, "this training", state.arrays()).status()),
              HasSubstr("not a checkpoint's state"));
}

}  // namespace
}  // namespace orrery::model
