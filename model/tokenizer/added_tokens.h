// SPDX-License-Identifier: Apache-2.0
#pragma once

// Tokens that are cut out of a text before anything else happens to it: special ones (<|im_end|>) and a publisher's
// additions to a vocabulary.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace orrery::model {

struct AddedToken {
  std::string text;
  int32_t id = 0;
  bool special = false;      // its text is never part of what a model wrote
  bool single_word = false;  // only where no word character stands beside it
  bool lstrip = false;       // takes the white space before it
  bool rstrip = false;       // takes the white space after it
  bool normalized = false;   // found in the normalised text, by its own normalised form
};

class AddedTokens {
 public:
  // A piece of text, or a token that stood there.
  struct Piece {
    std::string_view text;
    int32_t token;  // kText: none
  };
  static constexpr int32_t kText = -1;

  // `text` is what is looked for, the token's own text or its normalised form. An empty one is never found.
  void Add(std::string text, const AddedToken& token);

  // Appends the pieces of `text`, leftmost and longest tokens first; views into it.
  void Split(std::string_view text, std::vector<Piece>* pieces) const;

 private:
  const std::pair<const std::string, AddedToken>* At(std::string_view rest) const;

  std::map<std::string, AddedToken, std::less<>> tokens_;
  std::map<char, std::vector<const std::pair<const std::string, AddedToken>*>> by_first_;  // longest first
};

}  // namespace orrery::model
