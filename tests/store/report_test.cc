// SPDX-License-Identifier: Apache-2.0
#include "store/report.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <functional>
#include <map>
#include <set>

#include "base/paths.h"
#include "store/convert.h"
#include "store/drawing.h"
#include "store/html.h"
#include "store/tree_builder.h"
#include "tests/store/made_tree.h"

namespace orrery::store {
namespace {

TEST(Escape, NothingGetsThroughAsMarkup) {
  EXPECT_EQ(Escape("<b a=\"x\" b='y'>&amp;"), "&lt;b a=&quot;x&quot; b=&#39;y&#39;&gt;&amp;amp;");
  EXPECT_EQ(Escape("a\tb\nπ 日 😀"), "a\tb\nπ 日 😀");
  EXPECT_EQ(Escape(std::string_view("\0\x1b[31m\x7f", 7)), "\xef\xbf\xbd\xef\xbf\xbd[31m\xef\xbf\xbd");
  // Stray, cut, overlong and surrogate bytes.
  EXPECT_EQ(Escape("\xff"), "\xef\xbf\xbd");
  EXPECT_EQ(Escape("\xe6\x97<"), "\xef\xbf\xbd\xef\xbf\xbd&lt;");
  EXPECT_EQ(Escape("\xc0\xbc"), "\xef\xbf\xbd\xef\xbf\xbd");
  EXPECT_EQ(Escape("\xed\xa0\x80"), "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(Shorten, CutsBetweenCharacters) {
  EXPECT_EQ(Shorten("short", 5), "short");
  EXPECT_EQ(Shorten("πππ", 2), "ππ…");
  EXPECT_EQ(Shorten("a\nb", 5), "a b");
}

TEST(Words, NumbersForReaders) {
  EXPECT_EQ(Grouped(0), "0");
  EXPECT_EQ(Grouped(999), "999");
  EXPECT_EQ(Grouped(1234567), "1,234,567");
  EXPECT_EQ(Percent(1, 3), "33%");
  EXPECT_EQ(Percent(0, 0), "–");
  EXPECT_EQ(Duration(2.25), "2.2 s");
  EXPECT_EQ(Duration(200), "3 min 20 s");
  EXPECT_EQ(Duration(3700), "1 h 1 min");
  EXPECT_EQ(Bytes(uint64_t{3} << 29), "1.5 GiB");
}

TEST(Drawing, FirstWordsAndColours) {
  EXPECT_EQ(FirstWords("# Step 1: add\nx = 1\n<end_of_step>\n"), "Step 1: add");
  EXPECT_EQ(FirstWords("\nx = 1\n# then\n<end_of_step>\n"), "then");
  EXPECT_EQ(FirstWords("print(x)\n<end_of_code>\n"), "print(x)");
  EXPECT_EQ(FirstWords(""), "");
  EXPECT_EQ(ColourClass(-1), "q0");
  EXPECT_EQ(ColourClass(0), "q3");
  EXPECT_EQ(ColourClass(1), "q6");
}

size_t Occurrences(std::string_view text, std::string_view part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string_view::npos; at = text.find(part, at + part.size())) ++count;
  return count;
}

TEST(Drawing, TreeUpToALimit) {
  const TreeChunk record = MadeTree("p");
  const search::Tree tree = ToSearchTree(*record).value();
  const std::string whole = DrawTree(*record, tree, 6, 60);
  EXPECT_EQ(Occurrences(whole, "<circle"), 10u);
  EXPECT_EQ(Occurrences(whole, "class=\"edge best\""), 3u);
  EXPECT_EQ(Occurrences(whole, "✓"), 2u);
  EXPECT_EQ(Occurrences(whole, "✗"), 2u);
  EXPECT_EQ(Occurrences(DrawTree(*record, tree, -1, 4), "<circle"), 4u);
}

class Report : public testing::Test {
 protected:
  void SetUp() override {
    store_ = Store::Open(folder_.path() / "store", "f1", "{}").value();
    store_->PutTree("b#1", MadeTree("b#1"));
    store_->PutTree("a#2", MadeUnsolvedTree("a#2"));
    store_->PutTree("<script>#3", MadeTree("<script>#3", "<script>alert(\"1\")</script> & 'more'", "<i>"));
    ASSERT_TRUE(store_->Commit().ok());
    input_.title = "A <title> & more";
    input_.settings = {{"search.rollouts", "8"}, {"odd", "</code><script>"}};
    input_.isolation = "bubblewrap";
    input_.summary = Summarise(*store_, names_, "f1").value();
    input_.summary.guards = {{"namespaces", true, "user, pid <all>"}};
    input_.summary.model = "a-model";
  }
  std::string Make() {
    const auto html = MakeReport(*store_, names_, input_);
    EXPECT_TRUE(html.ok()) << Message(html.status());
    return html.value_or("");
  }

  TemporaryFolder folder_;
  std::unique_ptr<Store> store_;
  const std::vector<ProblemName> names_ = {{"b", "b#1"}, {"a", "a#2"}, {"<script>", "<script>#3"}, {"open", "u#4"}};
  ReportInput input_;
};

// Every element that is opened is closed, in order: what a careless value would break first.
void ExpectBalanced(std::string_view html) {
  const std::set<std::string, std::less<>> empty = {"meta", "input", "!DOCTYPE", "rect", "circle", "path"};
  std::vector<std::string> open;
  for (size_t at = 0; at < html.size();) {
    if (html[at] != '<') {
      ++at;
      continue;
    }
    const size_t end = html.find('>', at);
    ASSERT_NE(end, std::string_view::npos);
    const bool closing = html[at + 1] == '/';
    const size_t begin = at + 1 + closing;
    const std::string name(html.substr(begin, html.find_first_of(" \n/>", begin) - begin));
    at = end + 1;
    if (closing) {
      ASSERT_FALSE(open.empty()) << "</" << name << ">";
      ASSERT_EQ(open.back(), name) << "near " << html.substr(begin > 80 ? begin - 80 : 0, 120);
      open.pop_back();
    } else if (!empty.contains(name)) {
      open.push_back(name);
      if (name == "style" || name == "script") at = html.find("</" + name, at);
    }
  }
  EXPECT_TRUE(open.empty());
}

TEST_F(Report, IsOneWellFormedFileWithoutTheNetwork) {
  const std::string html = Make();
  ExpectBalanced(html);
  for (const char* outside : {"http:", "https:", "src=", "@import", "url("})
    EXPECT_EQ(html.find(outside), std::string::npos) << outside;
  EXPECT_EQ(Occurrences(html, "<script>"), 1u);  // ours
  EXPECT_NE(html.find("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;more&#39;"), std::string::npos);
  EXPECT_EQ(Make(), html);
}

TEST_F(Report, SaysWhatThereIs) {
  const std::string html = Make();
  EXPECT_NE(html.find("<b>2 of 3</b>"), std::string::npos);
  EXPECT_EQ(Occurrences(html, "✓ solved"), 2u);
  EXPECT_NE(html.find("<td>hard</td>"), std::string::npos);
  EXPECT_NE(html.find("3 of 4 problems have their result"), std::string::npos);
  EXPECT_NE(html.find("One search: problem b</h2>"), std::string::npos);  // solved, first of equals
  EXPECT_NE(html.find("print(float(x) ** 2)"), std::string::npos);        // the best trajectory
  EXPECT_NE(html.find("namespaces: user, pid &lt;all&gt;"), std::string::npos);
  EXPECT_EQ(html.find("role=\"alert\""), std::string::npos);
}

TEST_F(Report, MissingWallsAreSaidLoudly) {
  input_.isolation = "none";
  const std::string html = Make();
  ExpectBalanced(html);
  EXPECT_NE(html.find("class=\"alarm\" role=\"alert\">⚠ sandbox.isolation=none"), std::string::npos);
}

TEST_F(Report, AtItsLimits) {
  input_.table_rows = 1;
  input_.tree_nodes = 4;
  const std::string html = Make();
  ExpectBalanced(html);
  EXPECT_NE(html.find("And 2 more."), std::string::npos);
  EXPECT_NE(html.find("The first 4 of 10 nodes are drawn."), std::string::npos);
}

TEST_F(Report, WithoutAnyFinishedProblem) {
  const std::string html = MakeReport(*store_, {{"open", "u#4"}}, input_).value();
  ExpectBalanced(html);
  EXPECT_NE(html.find("No problem is finished."), std::string::npos);
}

// Three code steps deep, three children a node, answers below: ninety-odd nodes, as tree_builder leaves them.
TreeChunk LargeTree(const std::string& key) {
  using schema::Grade, schema::StepKind, schema::Terminal, schema::Verdict;
  std::map<Path, ExpansionChunk> expansions;
  std::vector<RolloutEnd> ends;
  const std::function<void(const Path&)> grow = [&](const Path& path) {
    std::vector<CandidateText> texts;
    const auto depth = path.size();
    for (uint8_t i = 0; i < (depth < 3 ? 3 : 1); ++i) {
      const bool right = depth == 3 && (path[0] + path[1] * path[2]) % 3 == 0;
      Path child = path;
      child.push_back(i);
      if (depth == 3) {
        texts.push_back({.text = "\\boxed{12}\n<end_of_answer>\n",
                         .kind = StepKind::Answer,
                         .verdict = Verdict::NotRun,
                         .grade = right ? Grade::Equal : Grade::Different,
                         .answer = right ? "12" : "13"});
        ends.push_back({.path = child, .end = Terminal::Answered, .right = right});
      } else {
        texts.push_back({.text = "# Step " + std::to_string(depth + 1) + ": way " + std::to_string(i) +
                                 " to count the apples\nx = 12\n<end_of_step>\n",
                         .kind = depth == 2 ? StepKind::FinalCode : StepKind::CodeStep});
        if (depth == 1 && i == 2) {
          ends.push_back({.path = child, .end = Terminal::DeadEnd});
        } else {
          grow(child);
        }
      }
    }
    expansions.emplace(path, MakeExpansion(key, path, texts, 10));
  };
  grow({});
  const search::Rules rules;
  const reasoning::Problem problem{
      .id = "large", .question = "How many apples?", .answer = "12", .source = {}, .level = {}};
  return BuildTreeRecord({.key = key, .problem = &problem, .rules = &rules}, ends, expansions);
}

TEST_F(Report, ALargeTreeIsDrawnUpToTheLimit) {
  const TreeChunk record = LargeTree("large#5");
  const search::Tree tree = ToSearchTree(*record).value();
  ASSERT_EQ(tree.nodes.size(), 49u);  // 1 + 3 + 9 + 6·3 + 18, where three of the nine are dead ends
  store_->PutTree("large#5", record);
  ASSERT_TRUE(store_->Commit().ok());
  input_.summary.measured = {.seconds = 75,
                             .tokens_per_second = 123,
                             .mean_batch_rows = 20,
                             .peak_rss_bytes = 1 << 30,
                             .cpu = "a processor",
                             .threads = 2};
  const std::vector<ProblemName> names = {{"b", "b#1"}, {"large", "large#5"}, {"a", "a#2"}};
  const std::string html = MakeReport(*store_, names, input_).value();
  ExpectBalanced(html);
  EXPECT_NE(html.find("One search: problem large</h2>"), std::string::npos);
  EXPECT_EQ(Occurrences(html, "<circle"), 49u);
  EXPECT_EQ(Occurrences(html, "▪"), 3u + 1);  // and in the legend
  if (const char* outputs = std::getenv("TEST_UNDECLARED_OUTPUTS_DIR")) {
    EXPECT_TRUE(WriteReport(*store_, names, input_, std::filesystem::path(outputs) / "large.html").ok());
  }
}

// Left in the test's outputs, to be looked at.
TEST_F(Report, WritesAFile) {
  const char* outputs = std::getenv("TEST_UNDECLARED_OUTPUTS_DIR");
  const std::filesystem::path path =
      std::filesystem::path(outputs != nullptr ? outputs : folder_.path().c_str()) / "report.html";
  ASSERT_TRUE(WriteReport(*store_, names_, input_, path).ok());
  EXPECT_EQ(ReadFile(path).value(), Make());
}

}  // namespace
}  // namespace orrery::store
