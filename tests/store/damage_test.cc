// SPDX-License-Identifier: Apache-2.0
// A store with flipped bytes: what is damaged is named, and all the rest is still read.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <random>
#include <set>

#include "base/paths.h"
#include "tests/store/records.h"

namespace orrery::store {
namespace {

namespace fs = std::filesystem;

constexpr int kProblems = 120;

std::string Name(int number) { return fmt::format("problem-{:03}#0123456789abcdef", number); }

TreeChunk NoisyTree(int number) {
  std::mt19937 random(static_cast<uint32_t>(number));
  std::string noise(6000, 'x');
  for (char& c : noise) c = static_cast<char>('a' + random() % 26);
  return MakeTree(Name(number), {MakeExpansion(Name(number), {}, {{.text = noise}})});
}

class Damage : public testing::Test {
 protected:
  void Fill(bool compacted) {
    auto store = Store::Open(Folder(), "f", "{}").value();
    for (int i = 0; i < kProblems; ++i) {
      store->PutTree(Name(i), NoisyTree(i));
      ASSERT_TRUE(store->Commit().ok());
    }
    if (!compacted) return;
    ASSERT_TRUE(store->Compact().ok());
  }
  fs::path Folder() const { return folder_.path() / "store"; }
  fs::path Largest(std::string_view suffix) const {
    fs::path largest;
    for (const auto& entry : fs::directory_iterator(Folder())) {
      if (entry.path().string().ends_with(suffix) && (largest.empty() || entry.file_size() > fs::file_size(largest)))
        largest = entry.path();
    }
    return largest;
  }
  // Flips a bit at these shares of the file.
  static void Flip(const fs::path& file, const std::vector<double>& shares) {
    std::string bytes = ReadFile(file).value();
    for (const double share : shares) bytes[static_cast<size_t>(static_cast<double>(bytes.size()) * share)] ^= 4;
    std::ofstream(file, std::ios::binary) << bytes;
  }

  struct Read {
    std::vector<std::string> trees;
    std::vector<std::string> damaged_after;
  };
  static Read ReadAll(const Store& store) {
    Read read;
    const Status status = store.ForEachReadableTree([&](std::string_view problem, const StatusOr<TreeChunk>& tree) {
      if (tree.ok()) {
        EXPECT_EQ((*tree)->problem()->string_view(), problem);
        read.trees.emplace_back(problem);
      } else {
        EXPECT_EQ(tree.status().code(), absl::StatusCode::kDataLoss);
        read.damaged_after.emplace_back(problem);
      }
      return true;
    });
    EXPECT_TRUE(status.ok()) << Message(status);
    EXPECT_TRUE(std::ranges::is_sorted(read.trees));
    EXPECT_EQ(std::set<std::string>(read.trees.begin(), read.trees.end()).size(), read.trees.size());
    return read;
  }

  TemporaryFolder folder_;
};

TEST_F(Damage, OneFlippedByteCostsOneRecord) {
  Fill(true);
  ASSERT_EQ(ReadAll(*Store::OpenReadOnly(Folder()).value()).trees.size(), size_t{kProblems});
  Flip(Largest(".sst"), {0.4});
  const auto store = Store::OpenReadOnly(Folder());
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_FALSE((*store)->ForEachTree([](std::string_view, const TreeChunk&) { return true; }).ok());
  const Read read = ReadAll(**store);
  EXPECT_EQ(read.trees.size(), size_t{kProblems - 1});
  ASSERT_EQ(read.damaged_after.size(), 1U);
  // The one that is named comes right before the one that is lost.
  const auto before = std::ranges::find(read.trees, read.damaged_after[0]);
  ASSERT_NE(before, read.trees.end());
  EXPECT_EQ(std::stoi(std::string(*std::next(before)).substr(8, 3)), std::stoi(before->substr(8, 3)) + 2);
}

TEST_F(Damage, SeveralDamagedPlacesCostTheirRecordsAlone) {
  Fill(true);
  // The first record, two that follow each other, one in the middle, the last.
  Flip(Largest(".sst"), {0.001, 0.2, 0.2 + 1.0 / kProblems, 0.5, 0.99});
  const Read read = ReadAll(*Store::OpenReadOnly(Folder()).value());
  EXPECT_EQ(read.trees.size(), size_t{kProblems - 5});
  ASSERT_EQ(read.damaged_after.size(), 4U);
  EXPECT_EQ(read.damaged_after[0], "");
  EXPECT_EQ(read.damaged_after[3], Name(kProblems - 2));
}

TEST_F(Damage, ALogIsReadPastItsDamageWhereThatIsAskedFor) {
  Fill(false);  // all is in the write-ahead log
  ASSERT_EQ(ReadAll(*Store::OpenReadOnly(Folder()).value()).trees.size(), size_t{kProblems});
  Flip(Largest(".log"), {0.3});
  EXPECT_EQ(Store::OpenReadOnly(Folder()).status().code(), absl::StatusCode::kDataLoss);
  const auto store = Store::OpenReadOnly(Folder(), OnDamage::kPassOver);
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_NE(Message((*store)->damage()).find(Folder().string()), std::string::npos);
  const Read read = ReadAll(**store);
  EXPECT_GE(read.trees.size(), size_t{kProblems * 3 / 4});
  EXPECT_LT(read.trees.size(), size_t{kProblems});
  EXPECT_TRUE((*Store::OpenReadOnly(Folder(), OnDamage::kPassOver))->fingerprint() == "f");
}

}  // namespace
}  // namespace orrery::store
