// SPDX-License-Identifier: Apache-2.0
#include "store/store.h"

#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <fstream>
#include <random>
#include <thread>

#include "tests/store/records.h"

namespace orrery::store {
namespace {

namespace fs = std::filesystem;

std::unique_ptr<Store> OpenOrDie(const fs::path& folder, std::string_view fingerprint = "f1") {
  auto store = Store::Open(folder, fingerprint, "{}");
  if (!store.ok()) ADD_FAILURE() << Message(store.status());
  return *std::move(store);
}

std::vector<uint32_t> Numbers(const Store& store, std::string_view problem) {
  std::vector<uint32_t> numbers;
  const auto expansions = store.Expansions(problem);
  EXPECT_TRUE(expansions.ok()) << Message(expansions.status());
  for (const ExpansionChunk& one : *expansions) numbers.push_back(one->tokens_generated());
  return numbers;
}

TEST(Store, NothingIsThereBeforeTheCommitAndAllAfterReopening) {
  TemporaryFolder folder;
  const fs::path path = folder.path() / "new" / "deeper";  // made on the way
  {
    auto store = OpenOrDie(path);
    store->PutExpansion("p", {}, MakeExpansion("p", {}, 1));
    store->PutExpansion("p", {0, 3}, MakeExpansion("p", {0, 3}, 3));
    store->PutExpansion("p", {0}, MakeExpansion("p", {0}, 2));
    EXPECT_TRUE(Numbers(*store, "p").empty());
    ASSERT_TRUE(store->Commit().ok());
    EXPECT_EQ(Numbers(*store, "p"), (std::vector<uint32_t>{1, 2, 3}));  // in order of paths
    EXPECT_EQ(store->Counters().expansions_written, 3u);
    EXPECT_EQ(store->Counters().commits, 1u);
    EXPECT_GT(store->Counters().bytes_written, 0u);
    store->PutExpansion("p", {1}, MakeExpansion("p", {1}, 4));  // never committed
  }
  auto store = OpenOrDie(path);
  EXPECT_EQ(store->fingerprint(), "f1");
  EXPECT_EQ(Numbers(*store, "p"), (std::vector<uint32_t>{1, 2, 3}));
  EXPECT_EQ(store->Expansions("p").value()[2]->candidates()->Get(0)->text()->str(), "step 3\n");
}

TEST(Store, AnEmptyCommitWritesNothing) {
  TemporaryFolder folder;
  auto store = OpenOrDie(folder.path());
  EXPECT_TRUE(store->Commit().ok());
  EXPECT_EQ(store->Counters().commits, 0u);
}

// Ids that are each other's beginnings, hold path-like bytes, zeros, or nothing at all keep apart.
TEST(Store, ProblemsOfSimilarNamesKeepApart) {
  TemporaryFolder folder;
  auto store = OpenOrDie(folder.path());
  const std::vector<std::string> names = {
      "a", "ab", "a\x01", std::string("a\0", 2), "", "\xff\xff", std::string(300, 'x')};
  for (size_t i = 0; i < names.size(); ++i) {
    const int number = static_cast<int>(i);
    store->PutExpansion(names[i], {}, MakeExpansion(names[i], {}, 10 * number + 1));
    store->PutExpansion(names[i], {'b'}, MakeExpansion(names[i], {'b'}, 10 * number + 2));
  }
  ASSERT_TRUE(store->Commit().ok());
  for (size_t i = 0; i < names.size(); ++i) {
    const auto number = static_cast<uint32_t>(i);
    EXPECT_EQ(Numbers(*store, names[i]), (std::vector<uint32_t>{10 * number + 1, 10 * number + 2})) << i;
  }
  EXPECT_TRUE(Numbers(*store, "abc").empty());
}

TEST(Store, AFinishedTreeTakesItsExpansionsOverAndKeepsWhatItDoesNotHold) {
  TemporaryFolder folder;
  auto store = OpenOrDie(folder.path());
  std::vector<ExpansionChunk> held = {MakeExpansion("p", {}, 1), MakeExpansion("p", {1}, 2)};
  store->PutExpansion("p", {}, held[0]);
  store->PutExpansion("p", {1}, held[1]);
  store->PutExpansion("p", {2}, MakeExpansion("p", {2}, 3));  // not in the record
  store->PutExpansion("q", {}, MakeExpansion("q", {}, 9));
  ASSERT_TRUE(store->Commit().ok());
  EXPECT_FALSE(store->Tree("p").value().has_value());
  store->PutTree("p", MakeTree("p", held));
  ASSERT_TRUE(store->Commit().ok());
  EXPECT_EQ(Numbers(*store, "p"), (std::vector<uint32_t>{1, 2, 3}));
  EXPECT_EQ(Numbers(*store, "q"), (std::vector<uint32_t>{9}));
  ASSERT_TRUE(store->Tree("p").value().has_value());

  // What comes out of a record is the buffer that went in, byte for byte: a resumed search builds the same record
  // again.
  const auto again = store->Expansions("p").value();
  EXPECT_EQ(MakeTree("p", {again[0], again[1]}).bytes(), store->Tree("p").value()->bytes());
  store->PutTree("p", MakeTree("p", again));
  ASSERT_TRUE(store->Commit().ok());
  EXPECT_EQ(Numbers(*store, "p"), (std::vector<uint32_t>{1, 2, 3}));
  EXPECT_EQ(store->Tree("p").value().value()->expansions()->size(), 3u);
  EXPECT_EQ(store->Counters().trees_written, 2u);
}

TEST(Store, TreesInOrderOfTheirNames) {
  TemporaryFolder folder;
  auto store = OpenOrDie(folder.path());
  for (const char* name : {"b", "\xff", "a", "aa"}) store->PutTree(name, MakeTree(name, {}));
  ASSERT_TRUE(store->Commit().ok());
  std::vector<std::string> seen;
  ASSERT_TRUE(store
                  ->ForEachTree([&](std::string_view problem, const TreeChunk& tree) {
                    seen.emplace_back(problem);
                    EXPECT_EQ(tree->problem()->string_view(), problem);
                    return true;
                  })
                  .ok());
  EXPECT_EQ(seen, (std::vector<std::string>{"a", "aa", "b", "\xff"}));
  seen.clear();
  ASSERT_TRUE(store
                  ->ForEachTree([&](std::string_view problem, const TreeChunk&) {
                    seen.emplace_back(problem);
                    return seen.size() < 2;
                  })
                  .ok());
  EXPECT_EQ(seen.size(), 2u);
}

TEST(Store, ChunksOutliveTheStore) {
  TemporaryFolder folder;
  ExpansionChunk expansion;
  {
    auto store = OpenOrDie(folder.path());
    store->PutExpansion("p", {}, MakeExpansion("p", {}, 5));
    ASSERT_TRUE(store->Commit().ok());
    expansion = store->Expansions("p").value()[0];
  }
  EXPECT_EQ(expansion->tokens_generated(), 5u);
}

TEST(Store, MarksSurvive) {
  TemporaryFolder folder;
  {
    auto store = OpenOrDie(folder.path());
    EXPECT_EQ(store->Mark("finished").value(), std::nullopt);
    ASSERT_TRUE(store->PutMark("finished", "yes").ok());
    ASSERT_TRUE(store->PutMark("fingerprint", "a mark, not the store's own").ok());
  }
  auto store = OpenOrDie(folder.path());
  EXPECT_EQ(store->Mark("finished").value(), "yes");
  EXPECT_EQ(store->fingerprint(), "f1");
}

TEST(Store, AnotherFingerprintIsRefusedAndBothAreNamed) {
  TemporaryFolder folder;
  OpenOrDie(folder.path(), "aaa111");
  const auto other = Store::Open(folder.path(), "bbb222", "{}");
  ASSERT_FALSE(other.ok());
  EXPECT_EQ(other.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(ExitCode(other.status()), 2);
  for (const std::string& part : {folder.path().string(), std::string("aaa111"), std::string("bbb222")}) {
    EXPECT_NE(Message(other.status()).find(part), std::string::npos) << Message(other.status());
  }
  EXPECT_EQ(OpenOrDie(folder.path(), "aaa111")->fingerprint(), "aaa111");  // unharmed
  EXPECT_FALSE(Store::Open(folder.path() / "x", "", "{}").ok());
}

// As a program of another version leaves its mark.
void WriteFormat(const fs::path& folder, const std::string& format) {
  std::vector<rocksdb::ColumnFamilyDescriptor> families;
  for (const char* name : {"default", "meta", "expansions", "trees"})
    families.emplace_back(name, rocksdb::ColumnFamilyOptions());
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status opened = rocksdb::DB::Open({}, folder.string(), families, &handles, &db);
  ASSERT_TRUE(opened.ok()) << opened.ToString();
  EXPECT_TRUE(db->Put({}, handles[1], "format", format).ok());
  for (auto* handle : handles) db->DestroyColumnFamilyHandle(handle);
  EXPECT_TRUE(db->Close().ok());
  delete db;
}

TEST(Store, OfANewerOrAnOlderProgramIsRefusedAndKeepsItsContent) {
  TemporaryFolder folder;
  OpenOrDie(folder.path())->PutMark("finished", "yes").IgnoreError();
  for (const char* format : {"2", "0"}) {
    WriteFormat(folder.path(), format);
    for (const auto& status :
         {Store::Open(folder.path(), "f1", "{}").status(), Store::OpenReadOnly(folder.path()).status()}) {
      EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
      EXPECT_EQ(ExitCode(status), 2);
      for (const std::string& part :
           {folder.path().string(), std::string("has format ") + format, std::string("reads 1")})
        EXPECT_NE(Message(status).find(part), std::string::npos) << Message(status);
    }
  }
  WriteFormat(folder.path(), "1");
  EXPECT_EQ(OpenOrDie(folder.path())->Mark("finished").value(), "yes");
}

TEST(Store, ReadOnlyLooksBesideAWriterAndWritesNothing) {
  TemporaryFolder folder;
  EXPECT_EQ(Store::OpenReadOnly(folder.path()).status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(fs::is_empty(folder.path()));
  auto writer = OpenOrDie(folder.path());
  writer->PutExpansion("p", {}, MakeExpansion("p", {}, 7));
  ASSERT_TRUE(writer->Commit().ok());
  auto reader = Store::OpenReadOnly(folder.path());
  ASSERT_TRUE(reader.ok()) << Message(reader.status());
  EXPECT_EQ((*reader)->fingerprint(), "f1");
  EXPECT_EQ(Numbers(**reader, "p"), (std::vector<uint32_t>{7}));
  (*reader)->PutExpansion("p", {1}, MakeExpansion("p", {1}, 8));
  EXPECT_EQ((*reader)->Commit().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_FALSE((*reader)->PutMark("a", "b").ok());
}

TEST(Store, OpenTwiceInOneProcess) {
  TemporaryFolder folder;
  auto first = OpenOrDie(folder.path());
  const auto second = Store::Open(folder.path(), "f1", "{}");
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(Message(second.status()).find("already open"), std::string::npos) << Message(second.status());
  first->PutMark("still", "writable").IgnoreError();
  EXPECT_EQ(first->Mark("still").value(), "writable");
}

TEST(Store, AFolderThatCannotBe) {
  TemporaryFolder folder;
  std::ofstream(folder.path() / "file") << "x";
  for (const fs::path& path :
       {folder.path() / "file", folder.path() / "file" / "below", fs::path("/proc/orrery/store")}) {
    const auto store = Store::Open(path, "f", "{}");
    ASSERT_FALSE(store.ok());
    EXPECT_EQ(ExitCode(store.status()), 2);
    EXPECT_NE(Message(store.status()).find(path.string()), std::string::npos) << Message(store.status());
  }
}

TEST(Store, ProblemsAreFoundByTheirBeginning) {
  TemporaryFolder folder;
  auto store = OpenOrDie(folder.path());
  for (const char* problem : {"a#1", "ab#2", "b#3", "ab#4"}) store->PutTree(problem, MakeTree(problem, {}));
  store->PutExpansion("abc#5", {}, MakeExpansion("abc#5", {}, 1));  // unfinished
  ASSERT_TRUE(store->Commit().ok());
  using Names = std::vector<std::string>;
  EXPECT_EQ(store->ProblemsBeginningWith("a", 9).value(), (Names{"a#1", "ab#2", "ab#4"}));
  EXPECT_EQ(store->ProblemsBeginningWith("ab", 1).value(), (Names{"ab#2"}));
  EXPECT_EQ(store->ProblemsBeginningWith("", 9).value().size(), 4u);
  EXPECT_TRUE(store->ProblemsBeginningWith("c", 9).value().empty());
}

TEST(Store, TheMemoIsVisitedWithItsPathsAndWithoutFinishedTrees) {
  TemporaryFolder folder;
  auto store = OpenOrDie(folder.path());
  for (const Path& path : {Path{}, Path{1}, Path{1, 0}}) store->PutExpansion("p", path, MakeExpansion("p", path, 3));
  store->PutExpansion("done", {}, MakeExpansion("done", {}, 4));
  store->PutTree("done", MakeTree("done", {MakeExpansion("done", {}, 4)}));
  ASSERT_TRUE(store->Commit().ok());
  std::vector<std::pair<std::string, Path>> visited;
  ASSERT_TRUE(store
                  ->ForEachReadableExpansion(
                      [&](std::string_view problem, const Path& path, const StatusOr<ExpansionChunk>& expansion) {
                        EXPECT_TRUE(expansion.ok());
                        visited.emplace_back(problem, path);
                        return true;
                      })
                  .ok());
  EXPECT_EQ(visited, (std::vector<std::pair<std::string, Path>>{{"p", {}}, {"p", {1}}, {"p", {1, 0}}}));
}

TEST(Store, CompactingLeavesTheContentAndItsSize) {
  TemporaryFolder folder;
  const auto size = [&] {
    uintmax_t bytes = 0;
    for (const auto& entry : fs::directory_iterator(folder.path())) bytes += entry.file_size();
    return bytes;
  };
  std::mt19937 random(3);
  std::string noise(20'000, 'x');
  uintmax_t before = 0;
  std::string last;
  {
    auto store = OpenOrDie(folder.path());
    for (int i = 0; i < 200; ++i) {  // the same tree again and again: only the last one counts
      for (char& c : noise) c = static_cast<char>('a' + random() % 26);
      const TreeChunk tree = MakeTree("p", {MakeExpansion("p", {}, {{.text = noise}})});
      store->PutTree("p", tree);
      last = tree.bytes();
      ASSERT_TRUE(store->Commit().ok());
    }
    store->PutExpansion("q", {}, MakeExpansion("q", {}, 1));
    ASSERT_TRUE(store->Commit().ok());
    before = size();
    ASSERT_TRUE(store->Compact().ok());
  }
  EXPECT_GT(before, 200u * 20'000);
  EXPECT_LT(size(), 100'000u);
  auto store = OpenOrDie(folder.path());
  EXPECT_EQ(store->Tree("p").value()->bytes(), last);
  EXPECT_EQ(Numbers(*store, "q"), (std::vector<uint32_t>{1}));
  EXPECT_FALSE(Store::OpenReadOnly(folder.path()).value()->Compact().ok());
}

TEST(Store, ReadsGoOnWhileOneThreadWrites) {
  TemporaryFolder folder;
  auto store = OpenOrDie(folder.path());
  std::atomic<bool> done{false};
  std::thread reader([&] {
    size_t last = 0;
    while (!done) {
      const size_t now = Numbers(*store, "p").size();
      ASSERT_GE(now, last);  // acknowledged expansions never go away, finishing the tree included
      last = now;
    }
  });
  std::vector<ExpansionChunk> all;
  for (uint8_t i = 0; i < 60; ++i) {
    all.push_back(MakeExpansion("p", {i}, i));
    store->PutExpansion("p", {i}, all.back());
    ASSERT_TRUE(store->Commit().ok());
    if (i % 10 == 9) {
      store->PutTree("p", MakeTree("p", all));
      ASSERT_TRUE(store->Commit().ok());
    }
  }
  done = true;
  reader.join();
  EXPECT_EQ(Numbers(*store, "p").size(), 60u);
}

}  // namespace
}  // namespace orrery::store
