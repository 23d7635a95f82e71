// SPDX-License-Identifier: Apache-2.0
#include "schema/json.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

namespace orrery::schema {
namespace {

constexpr size_t kLongestShown = 40;  // bytes of a value in a message

// Bytes of the UTF-8 sequence at the head of `text`, 0 if it is ill-formed (overlong, surrogate, too large, cut off).
size_t Utf8Length(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : 0; };
  const auto tail = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const uint8_t head = byte(0);
  if (head < 0x80) return 1;
  if (head >= 0xC2 && head <= 0xDF) return tail(1) ? 2 : 0;
  if (head >= 0xE0 && head <= 0xEF) {
    if (!tail(1) || !tail(2) || (head == 0xE0 && byte(1) < 0xA0) || (head == 0xED && byte(1) > 0x9F)) return 0;
    return 3;
  }
  if (head >= 0xF0 && head <= 0xF4) {
    if (!tail(1) || !tail(2) || !tail(3) || (head == 0xF0 && byte(1) < 0x90) || (head == 0xF4 && byte(1) > 0x8F))
      return 0;
    return 4;
  }
  return 0;
}

void AppendUtf8(uint32_t code, std::string* out) {
  const auto push = [out](uint32_t byte) { out->push_back(static_cast<char>(byte)); };
  if (code < 0x80) {
    push(code);
  } else if (code < 0x800) {
    push(0xC0 | code >> 6);
    push(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    push(0xE0 | code >> 12);
    push(0x80 | (code >> 6 & 0x3F));
    push(0x80 | (code & 0x3F));
  } else {
    push(0xF0 | code >> 18);
    push(0x80 | (code >> 12 & 0x3F));
    push(0x80 | (code >> 6 & 0x3F));
    push(0x80 | (code & 0x3F));
  }
}

class Reader {
 public:
  Reader(std::string_view text, std::string_view name) : text_(text), name_(name) {}

  StatusOr<JsonValue> Document() {
    if (text_.substr(0, 3) == "\xEF\xBB\xBF") at_ = 3;
    ORRERY_RETURN_IF_ERROR(SkipBlanks());
    ORRERY_ASSIGN_OR_RETURN(JsonValue value, Value(0));
    ORRERY_RETURN_IF_ERROR(SkipBlanks());
    if (!AtEnd()) return Unexpected("the end of the text");
    return value;
  }

 private:
  bool AtEnd() const { return at_ >= text_.size(); }
  char Peek(size_t ahead = 0) const { return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0'; }
  bool Digit() const { return Peek() >= '0' && Peek() <= '9'; }

  bool Take(char wanted) {
    if (AtEnd() || text_[at_] != wanted) return false;
    ++at_;
    return true;
  }

  std::string Found() const {
    if (AtEnd()) return "the end of the text";
    const size_t length = Utf8Length(text_.substr(at_));
    const auto byte = static_cast<uint8_t>(text_[at_]);
    if (length == 0) return fmt::format("the byte 0x{:02x}, which is not UTF-8", byte);
    if (byte < 0x20 || byte == 0x7F) return fmt::format("the control character 0x{:02x}", byte);
    return fmt::format("'{}'", text_.substr(at_, length));
  }

  Status Unexpected(std::string_view expected) const {
    return InvalidInput("{}:{}: expected {}, found {}", name_, line_, expected, Found());
  }

  Status SkipBlanks() {
    while (!AtEnd()) {
      const char c = Peek();
      if (c == '\n') ++line_;
      if (c == ' ' || c == '\t' || c == '\r' || c == '\n') {
        ++at_;
      } else if (c == '/' && Peek(1) == '/') {
        while (!AtEnd() && Peek() != '\n') ++at_;
      } else if (c == '/' && Peek(1) == '*') {
        ORRERY_RETURN_IF_ERROR(SkipBlockComment());
      } else {
        break;
      }
    }
    return absl::OkStatus();
  }

  Status SkipBlockComment() {
    const int begin = line_;
    at_ += 2;
    while (!AtEnd() && !(Peek() == '*' && Peek(1) == '/')) {
      if (Peek() == '\n') ++line_;
      ++at_;
    }
    if (AtEnd()) return InvalidInput("{}:{}: expected */ after this /*, found the end of the text", name_, begin);
    at_ += 2;
    return absl::OkStatus();
  }

  StatusOr<JsonValue> Value(int depth) {
    if (depth > kMaxJsonDepth) {
      return InvalidInput("{}:{}: expected at most {} levels of braces and brackets, found more", name_, line_,
                          kMaxJsonDepth);
    }
    JsonValue value;
    value.line = line_;
    const char c = Peek();
    if (c == '{') return Object(depth, std::move(value));
    if (c == '[') return Array(depth, std::move(value));
    if (c == '"') {
      value.kind = JsonValue::Kind::kString;
      ORRERY_ASSIGN_OR_RETURN(value.text, String());
      return value;
    }
    if (c == '-' || Digit()) return Number(std::move(value));
    return Word(std::move(value));
  }

  StatusOr<JsonValue> Object(int depth, JsonValue value) {
    value.kind = JsonValue::Kind::kObject;
    ++at_;
    ORRERY_RETURN_IF_ERROR(SkipBlanks());
    if (Take('}')) return value;
    while (true) {
      if (Peek() != '"' || AtEnd()) return Unexpected("a key in quotes");
      JsonMember member;
      member.line = line_;
      ORRERY_ASSIGN_OR_RETURN(member.key, String());
      ORRERY_RETURN_IF_ERROR(SkipBlanks());
      if (!Take(':')) return Unexpected(fmt::format("a colon after the key {}", QuoteJson(member.key)));
      ORRERY_RETURN_IF_ERROR(SkipBlanks());
      ORRERY_ASSIGN_OR_RETURN(member.value, Value(depth + 1));
      value.members.push_back(std::move(member));
      ORRERY_RETURN_IF_ERROR(SkipBlanks());
      if (Take('}')) return value;
      if (!Take(',')) return Unexpected("a comma or }");
      ORRERY_RETURN_IF_ERROR(SkipBlanks());
    }
  }

  StatusOr<JsonValue> Array(int depth, JsonValue value) {
    value.kind = JsonValue::Kind::kArray;
    ++at_;
    ORRERY_RETURN_IF_ERROR(SkipBlanks());
    if (Take(']')) return value;
    while (true) {
      ORRERY_ASSIGN_OR_RETURN(JsonValue element, Value(depth + 1));
      value.elements.push_back(std::move(element));
      ORRERY_RETURN_IF_ERROR(SkipBlanks());
      if (Take(']')) return value;
      if (!Take(',')) return Unexpected("a comma or ]");
      ORRERY_RETURN_IF_ERROR(SkipBlanks());
    }
  }

  StatusOr<JsonValue> Number(JsonValue value) {
    value.kind = JsonValue::Kind::kNumber;
    const size_t begin = at_;
    Take('-');
    const bool zero = Peek() == '0';
    if (!Digit()) return Unexpected("a digit");
    while (Digit()) ++at_;
    if (zero && at_ - begin > (text_[begin] == '-' ? 2u : 1u)) {
      return InvalidInput("{}:{}: expected a number without leading zeros, found {}", name_, line_,
                          text_.substr(begin, at_ - begin));
    }
    if (Take('.')) {
      if (!Digit()) return Unexpected("a digit after the decimal point");
      while (Digit()) ++at_;
    }
    if (Peek() == 'e' || Peek() == 'E') {
      ++at_;
      if (!Take('+')) Take('-');
      if (!Digit()) return Unexpected("a digit of the exponent");
      while (Digit()) ++at_;
    }
    value.text = text_.substr(begin, at_ - begin);
    return value;
  }

  StatusOr<JsonValue> Word(JsonValue value) {
    const size_t begin = at_;
    while ((Peek() >= 'a' && Peek() <= 'z') || (Peek() >= 'A' && Peek() <= 'Z') || Peek() == '_') ++at_;
    value.text = text_.substr(begin, at_ - begin);
    value.kind = value.text == "null" ? JsonValue::Kind::kNull : JsonValue::Kind::kBool;
    if (value.text == "true" || value.text == "false" || value.text == "null") return value;
    at_ = begin;
    if (value.text.empty()) return Unexpected("a value");
    return InvalidInput("{}:{}: expected a value, found {} without quotes", name_, line_, value.text.substr(0, 40));
  }

  StatusOr<std::string> String() {
    std::string out;
    ++at_;
    while (true) {
      if (AtEnd()) return Unexpected("the closing quote of a text");
      const char c = Peek();
      if (static_cast<uint8_t>(c) < 0x20)
        return Unexpected("the closing quote of a text (control characters are written as escapes)");
      if (Take('"')) return out;
      if (c == '\\') {
        ORRERY_RETURN_IF_ERROR(Escape(&out));
        continue;
      }
      const size_t length = Utf8Length(text_.substr(at_));
      if (length == 0) return Unexpected("UTF-8");
      out += text_.substr(at_, length);
      at_ += length;
    }
  }

  Status Escape(std::string* out) {
    ++at_;
    static constexpr std::string_view kNames = "\"\\/bfnrt";
    static constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    if (const size_t i = kNames.find(Peek()); !AtEnd() && i != std::string_view::npos) {
      ++at_;
      out->push_back(kMeanings[i]);
      return absl::OkStatus();
    }
    if (!Take('u')) return Unexpected("an escape that JSON knows");
    std::optional<uint32_t> code = FourDigits();
    if (!code) return Unexpected("four hexadecimal digits after \\u");
    if (*code >= 0xD800 && *code < 0xDC00 && Peek() == '\\' && Peek(1) == 'u') {
      at_ += 2;
      const std::optional<uint32_t> low = FourDigits();
      if (!low || *low < 0xDC00 || *low > 0xDFFF) return Unexpected("the second half of a \\u pair");
      code = 0x10000 + ((*code - 0xD800) << 10) + (*low - 0xDC00);
    }
    if (*code == 0) return InvalidInput("{}:{}: expected text without the character NUL, found \\u0000", name_, line_);
    if (*code >= 0xD800 && *code <= 0xDFFF)
      return InvalidInput("{}:{}: expected a whole \\u pair, found half of one", name_, line_);
    AppendUtf8(*code, out);
    return absl::OkStatus();
  }

  std::optional<uint32_t> FourDigits() {
    uint32_t code = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const char c = Peek();
      if (c >= '0' && c <= '9') {
        code = code * 16 + static_cast<uint32_t>(c - '0');
      } else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F')) {
        code = code * 16 + static_cast<uint32_t>((c | 0x20) - 'a' + 10);
      } else {
        return std::nullopt;
      }
    }
    return code;
  }

  std::string_view text_;
  std::string_view name_;
  size_t at_ = 0;
  int line_ = 1;
};

}  // namespace

StatusOr<JsonValue> ReadJson(std::string_view text, std::string_view name) { return Reader(text, name).Document(); }

std::string Describe(const JsonValue& value) {
  switch (value.kind) {
    case JsonValue::Kind::kArray: return "a list";
    case JsonValue::Kind::kObject: return "an object";
    case JsonValue::Kind::kString: return DescribeText(value.text);
    default: return value.text.size() <= kLongestShown ? value.text : value.text.substr(0, kLongestShown) + "…";
  }
}

std::string DescribeText(std::string_view text) {
  if (text.size() <= kLongestShown) return QuoteJson(text);
  size_t cut = 0;
  while (cut < kLongestShown) cut += std::max<size_t>(1, Utf8Length(text.substr(cut)));
  return QuoteJson(text.substr(0, cut)) + "…";
}

bool IsUtf8(std::string_view text) {
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

std::string QuoteJson(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    switch (c) {
      case '"': out += "\\\""; break;
      case '\\': out += "\\\\"; break;
      case '\n': out += "\\n"; break;
      case '\r': out += "\\r"; break;
      case '\t': out += "\\t"; break;
      default:
        if (static_cast<uint8_t>(c) < 0x20 || c == 0x7F) {
          out += fmt::format("\\u{:04x}", static_cast<unsigned>(static_cast<uint8_t>(c)));
        } else {
          out.push_back(c);
        }
    }
  }
  out.push_back('"');
  return out;
}

}  // namespace orrery::schema
