#include "controller/store/cipher.hpp"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <cstring>

#include "controller/base/error.hpp"
#include "controller/base/files.hpp"
#include "controller/store/files.hpp"

namespace gantry::store {
namespace {

constexpr std::size_t kNonceBytes = 12;
constexpr std::size_t kTagBytes = 16;

struct Freed {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, Freed>;

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
unsigned char* bytes_of(std::string& text, std::size_t at) {
  return reinterpret_cast<unsigned char*>(text.data() + at);
}

[[noreturn]] void failed(const char* step) {
  throw Error(ErrorCode::Internal, std::string("OpenSSL could not ") + step + " with AES-256-GCM");
}

int digit_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  return -1;
}

std::string from_hex(std::string_view text, const std::string& path) {
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' ')) text.remove_suffix(1);
  std::string key;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    const int high = digit_value(text[i]);
    const int low = digit_value(text[i + 1]);
    if (high < 0 || low < 0) break;
    key += static_cast<char>(high << 4 | low);
  }
  if (text.size() != 2 * Cipher::kKeyBytes || key.size() != Cipher::kKeyBytes) {
    throw Error(ErrorCode::Invalid, "secrets key " + path +
                                        ": expected 64 lower-case hex digits (256 bits); restore the file from where "
                                        "you keep it, a new key cannot read what the old one wrote");
  }
  return key;
}

std::string make_key(const std::string& path, Random& random) {
  const std::string text = random.hex(Cipher::kKeyBytes) + "\n";
  // O_EXCL: two first starts at once must not each believe in a key of their own.
  write_new_file(path, text);
  return text;
}

}  // namespace

Cipher::Cipher(std::string_view key, Random& random) : random_(random) {
  if (key.size() != kKeyBytes) throw Error(ErrorCode::Internal, "a secrets key has 32 bytes");
  std::memcpy(key_.data(), key.data(), kKeyBytes);
  const std::string named = "gantry secrets key id:" + std::string(key);
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(bytes_of(named), named.size(), digest.data());
  std::memcpy(&id_, digest.data(), sizeof id_);
  if (id_ == 0) id_ = 1;
}

Cipher::~Cipher() { OPENSSL_cleanse(key_.data(), key_.size()); }

void Cipher::seal(std::string& out, std::string_view plain, std::string_view context) const {
  std::array<unsigned char, kNonceBytes> nonce{};
  random_.fill(nonce);
  const Context gcm(EVP_CIPHER_CTX_new());
  const std::size_t start = out.size();
  out.resize(start + kNonceBytes + plain.size() + kTagBytes);
  std::memcpy(out.data() + start, nonce.data(), kNonceBytes);
  int length = 0;
  const bool sealed =
      gcm && EVP_EncryptInit_ex(gcm.get(), EVP_aes_256_gcm(), nullptr, key_.data(), nonce.data()) == 1 &&
      EVP_EncryptUpdate(gcm.get(), nullptr, &length, bytes_of(context), static_cast<int>(context.size())) == 1 &&
      EVP_EncryptUpdate(gcm.get(), bytes_of(out, start + kNonceBytes), &length, bytes_of(plain),
                        static_cast<int>(plain.size())) == 1 &&
      EVP_EncryptFinal_ex(gcm.get(), bytes_of(out, start + kNonceBytes + plain.size()), &length) == 1 &&
      EVP_CIPHER_CTX_ctrl(gcm.get(), EVP_CTRL_GCM_GET_TAG, static_cast<int>(kTagBytes),
                          bytes_of(out, start + kNonceBytes + plain.size())) == 1;
  if (!sealed) failed("encrypt");
}

std::string Cipher::open(std::string_view sealed, std::string_view context) const {
  if (sealed.size() < kNonceBytes + kTagBytes) throw Error(ErrorCode::Internal, "an encrypted row is cut short");
  const std::size_t size = sealed.size() - kNonceBytes - kTagBytes;
  std::string plain(size, '\0');
  std::string tag(sealed.substr(kNonceBytes + size));
  const Context gcm(EVP_CIPHER_CTX_new());
  int length = 0;
  const bool opened =
      gcm && EVP_DecryptInit_ex(gcm.get(), EVP_aes_256_gcm(), nullptr, key_.data(), bytes_of(sealed)) == 1 &&
      EVP_DecryptUpdate(gcm.get(), nullptr, &length, bytes_of(context), static_cast<int>(context.size())) == 1 &&
      EVP_DecryptUpdate(gcm.get(), bytes_of(plain, 0), &length, bytes_of(sealed) + kNonceBytes,
                        static_cast<int>(size)) == 1 &&
      EVP_CIPHER_CTX_ctrl(gcm.get(), EVP_CTRL_GCM_SET_TAG, static_cast<int>(kTagBytes), tag.data()) == 1 &&
      EVP_DecryptFinal_ex(gcm.get(), bytes_of(plain, size), &length) == 1;
  if (!opened) throw Error(ErrorCode::Internal, "an encrypted row does not open: it was changed, or sealed elsewhere");
  return plain;
}

std::unique_ptr<Cipher> cipher_from_file(const std::string& path, bool may_create, Random& random) {
  auto found = files::read_file_if_exists(path, 4096);
  if (!found && !may_create) {
    throw Error(ErrorCode::Invalid, "the secrets key " + path +
                                        " is missing, and this store holds Secrets that only it can read; put the file "
                                        "back (it is not part of a backup), then start again");
  }
  if (found && files::readable_by_others(path)) {
    throw Error(ErrorCode::Invalid, "the secrets key " + path +
                                        " can be read by others than its owner; run: chmod 600 " + path +
                                        ", and consider its Secrets known to whoever has an account here");
  }
  std::string text = found ? std::move(*found) : make_key(path, random);
  std::string key = from_hex(text, path);
  auto cipher = std::make_unique<Cipher>(key, random);
  OPENSSL_cleanse(key.data(), key.size());
  OPENSSL_cleanse(text.data(), text.size());
  return cipher;
}

}  // namespace gantry::store
