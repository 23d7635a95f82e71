// SPDX-License-Identifier: Apache-2.0

// What a machine may decide, a step that runs into its limit, can be taken from an earlier run: then two machines of
// which one is slow leave the same records.

#include <gtest/gtest.h>

#include "base/random.h"
#include "tests/actors/scene.h"
#include "tests/fresh.h"

namespace orrery {
namespace {

// A machine on which every third step that runs well takes too long; which ones depends on the machine.
class SlowMachine : public sandbox::Sandbox {
 public:
  explicit SlowMachine(std::string name) : name_(std::move(name)) {}

  sandbox::StepResult Run(const sandbox::StepRequest& request) override {
    const sandbox::StepResult result = TheSandbox()->Run(request);
    const std::string seed = std::to_string(request.step.seed);
    if (result.verdict != sandbox::Verdict::kOk || HashParts({name_, request.step.code, seed}) % 3 != 0) return result;
    sandbox::StepResult late;
    late.verdict = sandbox::Verdict::kTimeOut;
    late.error = "5 s of wall time";
    return late;
  }

  std::vector<sandbox::Guard> Guards() const override { return TheSandbox()->Guards(); }

 private:
  std::string name_;
};

Scene OnMachine(const std::string& name, const std::filesystem::path& verdicts_from = {}) {
  Scene scene{.folder = FreshFolder(name.empty() ? "quick" : name), .rules = SmallRules()};
  if (!name.empty()) scene.sandbox = std::make_shared<SlowMachine>(name);
  scene.verdicts_from = verdicts_from;
  const auto outcome = Play(scene);
  EXPECT_EQ(outcome.done, 12U);
  EXPECT_EQ(outcome.failure, "");
  return scene;
}

uint64_t TimeOutsOf(const Scene& scene) {
  auto store = *store::Store::OpenReadOnly(scene.folder / "store");
  uint64_t count = 0;
  EXPECT_TRUE(store
                  ->ForEachTree([&](std::string_view, const store::TreeChunk& record) {
                    for (const auto* expansion : *record->expansions()) {
                      for (const auto* candidate : *expansion->candidates())
                        count += candidate->verdict() == schema::Verdict::TimeOut ? 1 : 0;
                    }
                    return true;
                  })
                  .ok());
  return count;
}

TEST(Verdicts, OfAnEarlierRunMakeItsRecordsOnAnotherMachine) {
  const Scene quick = OnMachine(""), slow = OnMachine("slow"), other = OnMachine("other");
  EXPECT_EQ(TimeOutsOf(quick), 0U);
  EXPECT_GT(TimeOutsOf(slow), 20U);
  ASSERT_NE(Digest(slow.folder), Digest(quick.folder));
  ASSERT_NE(Digest(slow.folder), Digest(other.folder));

  EXPECT_EQ(Digest(OnMachine("", slow.folder).folder), Digest(slow.folder)) << "what took too long there";
  EXPECT_EQ(Digest(OnMachine("slow", quick.folder).folder), Digest(quick.folder)) << "what takes too long here";
  EXPECT_EQ(Digest(OnMachine("other", slow.folder).folder), Digest(slow.folder)) << "either";
}

TEST(Verdicts, OfARunThatKnowsSomeProblemsLeaveTheOthersToThisMachine) {
  Scene some{.folder = FreshFolder("some"), .rules = SmallRules(), .problems = 5};
  some.sandbox = std::make_shared<SlowMachine>("slow");
  EXPECT_EQ(Play(some).done, 5U);
  const Scene all = OnMachine("", some.folder);
  EXPECT_EQ(TimeOutsOf(all), TimeOutsOf(some));
}

}  // namespace
}  // namespace orrery
