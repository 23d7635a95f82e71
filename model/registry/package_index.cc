// SPDX-License-Identifier: Apache-2.0
#include "model/registry/package_index.h"

#include <cctype>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "model/registry/subprocess.h"

namespace orrery::model {
namespace {

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back()))) text.remove_suffix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front()))) text.remove_prefix(1);
  return text;
}

bool IsAbsolute(std::string_view url) {
  return url.starts_with("https://") || url.starts_with("http://") || url.starts_with("file://");
}

// The end of "scheme://host".
size_t EndOfHost(std::string_view url) {
  const size_t scheme = url.find("://");
  if (scheme == std::string_view::npos) return 0;
  return std::min(url.find('/', scheme + 3), url.size());
}

std::string Resolve(std::string_view base, std::string_view address) {
  if (IsAbsolute(address)) return std::string(address);
  if (address.starts_with("//")) return std::string(base.substr(0, base.find(':') + 1)) + std::string(address);
  if (address.starts_with("/")) return std::string(base.substr(0, EndOfHost(base))) + std::string(address);
  return std::string(base.substr(0, base.rfind('/') + 1)) + std::string(address);  // curl removes "../"
}

// The entities that occur in an attribute's value.
std::string WithoutEntities(std::string_view text) {
  std::string plain(text);
  for (const auto& [entity, character] :
       {std::pair("&#38;", "&"), {"&quot;", "\""}, {"&lt;", "<"}, {"&gt;", ">"}, {"&amp;", "&"}}) {
    for (size_t at = 0; (at = plain.find(entity, at)) != std::string::npos; ++at)
      plain.replace(at, std::string_view(entity).size(), character);
  }
  return plain;
}

std::string FromJson(const nlohmann::json& page, std::string_view file) {
  if (!page.is_object() || !page.contains("files") || !page["files"].is_array()) return {};
  for (const auto& entry : page["files"]) {
    if (!entry.is_object() || !entry.contains("filename") || !entry.contains("url") || !entry["url"].is_string())
      continue;
    if (entry["filename"] == file) return entry["url"].get<std::string>();
  }
  return {};
}

// The href of the link whose path ends in `file`.
std::string FromHtml(std::string_view page, std::string_view file) {
  for (size_t at = 0; (at = page.find("href=", at)) != std::string_view::npos;) {
    at += 5;
    if (at >= page.size() || (page[at] != '"' && page[at] != '\'')) continue;
    const size_t end = page.find(page[at], at + 1);
    if (end == std::string_view::npos) break;
    const std::string address = WithoutEntities(page.substr(at + 1, end - at - 1));
    const std::string_view path = std::string_view(address).substr(0, address.find_first_of("#?"));
    if (path == file || path.ends_with(std::string("/") + std::string(file))) return address;
    at = end;
  }
  return {};
}

}  // namespace

std::string PipIndexUrl() {
  if (const char* url = std::getenv("PIP_INDEX_URL"); url != nullptr && *url != '\0') return url;
  const auto answer = RunProgram({"python3", "-m", "pip", "config", "get", "global.index-url"}, "");
  if (answer.ok() && answer->exit_code == 0 && IsAbsolute(Trimmed(answer->output)))
    return std::string(Trimmed(answer->output));
  return "https://pypi.org/simple";
}

std::string ProjectPage(std::string_view index_url, std::string_view project) {
  while (index_url.ends_with('/')) index_url.remove_suffix(1);
  return fmt::format("{}/{}/{}", index_url, project, index_url.starts_with("file://") ? "index.html" : "");
}

StatusOr<std::string> FindWheelUrl(std::string_view page, std::string_view page_url, std::string_view file) {
  const auto json = nlohmann::json::parse(page, nullptr, /*allow_exceptions=*/false);
  std::string address = json.is_discarded() ? FromHtml(page, file) : FromJson(json, file);
  if (address.empty()) return NotFound("{} does not list {}", WithoutCredentials(page_url), file);
  std::string url = Resolve(page_url, address.substr(0, address.find('#')));
  for (const unsigned char c : url) {
    if (c <= ' ' || c == '"' || c == '\\' || c == 0x7F)
      return Corrupt("{} gives {} an address that is none", WithoutCredentials(page_url), file);
  }
  if (!IsAbsolute(url))
    return Corrupt("{} gives {} the address '{}'; http or https was expected", WithoutCredentials(page_url), file, url);
  return url;
}

std::string WithoutCredentials(std::string_view url) {
  const size_t host = url.find("://");
  if (host == std::string_view::npos) return std::string(url);
  const std::string_view authority = url.substr(host + 3, EndOfHost(url) - host - 3);
  const size_t at = authority.rfind('@');
  if (at == std::string_view::npos) return std::string(url);
  return std::string(url.substr(0, host + 3)) + std::string(url.substr(host + 3 + at + 1));
}

}  // namespace orrery::model
