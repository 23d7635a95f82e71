// SPDX-License-Identifier: Apache-2.0
#include "base/digest.h"

#include <openssl/evp.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>
#include <vector>

namespace orrery {

namespace {

// Looked up once: OpenSSL asks its providers each time it is given a name.
const EVP_MD* Algorithm() {
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  return algorithm;
}

}  // namespace

// Takes its thread's spare context and leaves it there again: making one takes longer than to hash a short text.
struct Sha256::State {
  struct Free {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  using Context = std::unique_ptr<EVP_MD_CTX, Free>;
  static Context& Spare() {
    thread_local Context spare;
    return spare;
  }

  Context context = Spare() ? std::move(Spare()) : Context(EVP_MD_CTX_new());
  ~State() { Spare() = std::move(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) { EVP_DigestInit_ex(state_->context.get(), Algorithm(), nullptr); }
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::Update(std::string_view bytes) { EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()); }

void Sha256::UpdateSized(std::string_view bytes) {
  std::array<char, 8> length;
  for (int i = 0; i < 8; ++i) length[i] = static_cast<char>(static_cast<uint64_t>(bytes.size()) >> (8 * i));
  Update({length.data(), length.size()});
  Update(bytes);
}

Sha256::Bytes Sha256::Finish() {
  Bytes bytes;
  unsigned int size = bytes.size();
  EVP_DigestFinal_ex(state_->context.get(), bytes.data(), &size);
  return bytes;
}

std::string Hex(const Sha256::Bytes& bytes) {
  std::string text;
  for (uint8_t byte : bytes) text += fmt::format("{:02x}", byte);
  return text;
}

std::string Sha256Hex(std::string_view bytes) {
  Sha256 hash;
  hash.Update(bytes);
  return Hex(hash.Finish());
}

StatusOr<std::string> Sha256HexOfFile(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return NotFound("{}: cannot be opened ({})", path.string(), std::strerror(errno));
  Sha256 hash;
  std::vector<char> buffer(1 << 20);
  while (file.read(buffer.data(), static_cast<std::streamsize>(buffer.size())) || file.gcount() > 0) {
    hash.Update({buffer.data(), static_cast<size_t>(file.gcount())});
  }
  if (file.bad()) return Failed("{}: reading failed ({})", path.string(), std::strerror(errno));
  return Hex(hash.Finish());
}

}  // namespace orrery
