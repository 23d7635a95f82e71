// SPDX-License-Identifier: Apache-2.0
#include "sandbox/wire.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <limits>
#include <thread>

namespace orrery::sandbox {
namespace {

StepRequest Request() { return {{{"a = 1", 1}, {std::string("\0\xff", 2), ~uint64_t{0}}, {"", 0}}, {"print(a)", 7}}; }

StepResult Result() {
  StepResult result;
  result.verdict = Verdict::kSignal;
  result.output = "out";
  result.error = "SIGSEGV";
  result.cpu_seconds = 0.25;
  result.wall_seconds = 0.5;
  result.peak_bytes = 1 << 20;
  result.steps_executed = 3;
  return result;
}

TEST(Wire, RequestsComeBack) {
  const auto back = DecodeRequest(Encode(Request()));
  ASSERT_TRUE(back.ok());
  ASSERT_EQ(back->parents.size(), 3U);
  EXPECT_EQ(back->parents[1].code, std::string("\0\xff", 2));
  EXPECT_EQ(back->parents[1].seed, ~uint64_t{0});
  EXPECT_EQ(back->step.code, "print(a)");
  EXPECT_EQ(Encode(*back), Encode(Request()));
}

TEST(Wire, ResultsComeBack) {
  const auto back = DecodeResult(Encode(Result()));
  ASSERT_TRUE(back.ok());
  EXPECT_EQ(back->verdict, Verdict::kSignal);
  EXPECT_EQ(back->steps_executed, 3);
  EXPECT_EQ(Encode(*back), Encode(Result()));
}

TEST(Wire, SetupAndReadyComeBack) {
  const sandbox::Setup setup{1.5, 2, 3, 4, 5, true, "i", "z", "p", "m", "user:[1]"};
  const auto setup_back = DecodeSetup(Encode(setup));
  ASSERT_TRUE(setup_back.ok());
  EXPECT_EQ(Encode(*setup_back), Encode(setup));
  const Ready ready{"why", {{"one", true, "1"}, {"", false, ""}, {"three", true, "3"}}};
  const auto ready_back = DecodeReady(Encode(ready));
  ASSERT_TRUE(ready_back.ok());
  EXPECT_EQ(Encode(*ready_back), Encode(ready));
  ASSERT_EQ(ready_back->guards.size(), 3U);
  EXPECT_EQ(ready_back->guards[2].detail, "3");
  EXPECT_FALSE(ready_back->guards[1].active);
}

TEST(Wire, EveryCutIsAnErrorAndSoIsEveryExtraByte) {
  const std::string bytes = Encode(Request());
  for (size_t size = 0; size < bytes.size(); ++size) EXPECT_FALSE(DecodeRequest(bytes.substr(0, size)).ok()) << size;
  EXPECT_FALSE(DecodeRequest(bytes + "x").ok());
  const std::string result = Encode(Result());
  for (size_t size = 0; size < result.size(); ++size) EXPECT_FALSE(DecodeResult(result.substr(0, size)).ok()) << size;
}

TEST(Wire, CountsAndVerdictsThatCannotBeAreErrors) {
  const uint32_t many = std::numeric_limits<uint32_t>::max();
  EXPECT_FALSE(DecodeRequest(std::string(reinterpret_cast<const char*>(&many), sizeof(many))).ok());
  std::string result = Encode(Result());
  result[0] = 7;
  EXPECT_FALSE(DecodeResult(result).ok());
}

class Frames : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, ends_.data()), 0); }
  void TearDown() override {
    for (const int end : ends_) close(end);
  }
  std::array<int, 2> ends_{};
};

TEST_F(Frames, LargeOnesArriveInPieces) {
  const std::string payload(3 << 20, 'x');
  std::thread sender([&] { EXPECT_TRUE(SendFrame(ends_[0], payload).ok()); });
  const auto got = ReceiveFrame(ends_[1], 10);
  sender.join();
  ASSERT_TRUE(got.ok());
  EXPECT_EQ(*got, payload);
}

TEST_F(Frames, SilenceEndsAtTheDeadline) {
  EXPECT_EQ(ReceiveFrame(ends_[1], 0.02).status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(Frames, AnOversizedLengthIsRefusedBeforeAnythingIsAllocated) {
  const uint32_t size = kMaxFrame + 1;
  ASSERT_EQ(write(ends_[0], &size, sizeof(size)), 4);
  EXPECT_EQ(ReceiveFrame(ends_[1], 1).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(Frames, AClosedSocketIsAnErrorOnBothSides) {
  close(ends_[0]);
  ends_[0] = dup(ends_[1]);
  close(ends_[1]);
  ends_[1] = dup(ends_[0]);
  EXPECT_FALSE(ReceiveFrame(ends_[1], 1).ok());
  EXPECT_FALSE(SendFrame(ends_[1], "x").ok());
}

}  // namespace
}  // namespace orrery::sandbox
