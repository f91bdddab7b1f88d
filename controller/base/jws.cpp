#include "controller/base/jws.hpp"

#include <openssl/bio.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <array>

#include "controller/base/base64.hpp"
#include "controller/base/digest.hpp"
#include "controller/base/error.hpp"
#include "controller/base/openssl.hpp"

namespace gantry {
namespace {

using openssl::Bio;
using openssl::FreeBy;
using openssl::Key;
using Context = std::unique_ptr<EVP_MD_CTX, FreeBy<EVP_MD_CTX_free>>;
using Signature = std::unique_ptr<ECDSA_SIG, FreeBy<ECDSA_SIG_free>>;

constexpr std::size_t kHalf = 32;           // bytes of r, and of s
constexpr std::size_t kTokenMax = 8 << 10;  // longer is no token of ours

[[noreturn]] void fail(const char* what) {
  ERR_clear_error();
  throw Error(ErrorCode::Internal, std::string("OpenSSL cannot ") + what);
}

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

std::string encoded(std::string_view bytes) { return base64_encode(bytes, Alphabet::Url); }

// OpenSSL writes a signature as DER; JWS as r and s, each of 32 bytes.
std::string to_raw(std::string_view der) {
  const unsigned char* at = bytes_of(der);
  const Signature signature(d2i_ECDSA_SIG(nullptr, &at, static_cast<long>(der.size())));
  if (!signature) fail("read its own signature");
  std::array<unsigned char, 2 * kHalf> raw;
  BN_bn2binpad(ECDSA_SIG_get0_r(signature.get()), raw.data(), kHalf);
  BN_bn2binpad(ECDSA_SIG_get0_s(signature.get()), raw.data() + kHalf, kHalf);
  return {reinterpret_cast<const char*>(raw.data()), raw.size()};
}

std::string to_der(std::string_view raw) {
  const Signature signature(ECDSA_SIG_new());
  BIGNUM* r = BN_bin2bn(bytes_of(raw), kHalf, nullptr);
  BIGNUM* s = BN_bin2bn(bytes_of(raw) + kHalf, kHalf, nullptr);
  ECDSA_SIG_set0(signature.get(), r, s);
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(signature.get(), &der);
  if (size <= 0) fail("write a signature");
  std::string out(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
  OPENSSL_free(der);
  return out;
}

}  // namespace

struct SigningKey::Parts {
  Key key;
};

SigningKey::SigningKey(const Secret& pem) : parts_(std::make_unique<Parts>()) {
  const Bio bio(BIO_new_mem_buf(pem.reveal().data(), static_cast<int>(pem.reveal().size())));
  parts_->key.reset(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  std::array<char, 64> curve{};
  std::size_t size = 0;
  if (!parts_->key || EVP_PKEY_get_group_name(parts_->key.get(), curve.data(), curve.size(), &size) != 1 ||
      std::string_view(curve.data(), size) != "prime256v1") {
    ERR_clear_error();
    throw Error(ErrorCode::Invalid, "this is no PEM private key of the curve P-256");
  }
  unsigned char* der = nullptr;
  const int length = i2d_PUBKEY(parts_->key.get(), &der);
  if (length <= 0) fail("write a public key");
  id_ = sha256_hex({reinterpret_cast<const char*>(der), static_cast<std::size_t>(length)}).substr(0, 32);
  OPENSSL_free(der);
}

SigningKey::~SigningKey() = default;
SigningKey::SigningKey(SigningKey&&) noexcept = default;

Secret SigningKey::generate() {
  const Key key(EVP_EC_gen("P-256"));
  const Bio bio(BIO_new(BIO_s_secmem()));
  if (!key || PEM_write_bio_PKCS8PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) != 1)
    fail("make a P-256 key");
  char* data = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &data);
  return Secret(std::string(data, static_cast<std::size_t>(size)));
}

std::string SigningKey::sign(const json::Value& claims) const {
  const json::Object header{{"alg", "ES256"}, {"kid", id_}, {"typ", "JWT"}};
  std::string token = encoded(json::dump(json::Value(header))) + "." + encoded(json::dump(claims));
  const Context context(EVP_MD_CTX_new());
  std::size_t size = 0;
  if (EVP_DigestSignInit(context.get(), nullptr, EVP_sha256(), nullptr, parts_->key.get()) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &size, bytes_of(token), token.size()) != 1)
    fail("sign");
  std::string der(size, '\0');
  if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(der.data()), &size, bytes_of(token),
                     token.size()) != 1)
    fail("sign");
  der.resize(size);
  return token + "." + encoded(to_raw(der));
}

std::optional<json::Value> SigningKey::verify(std::string_view token) const {
  const auto first = token.find('.'), last = token.rfind('.');
  if (token.size() > kTokenMax || first == std::string_view::npos || first == last) return std::nullopt;
  const auto header = base64_decode(token.substr(0, first), Alphabet::Url);
  const auto payload = base64_decode(token.substr(first + 1, last - first - 1), Alphabet::Url);
  const auto signature = base64_decode(token.substr(last + 1), Alphabet::Url);
  if (!header || !payload || !signature || signature->size() != 2 * kHalf) return std::nullopt;
  if (encoded(*signature) != token.substr(last + 1)) return std::nullopt;  // a token has one form
  try {
    // One algorithm and one key: a token cannot choose ("alg": "none").
    const json::Value head = json::parse(*header);
    if (head.string_or("alg") != "ES256" || head.string_or("kid") != id_) return std::nullopt;
    const std::string der = to_der(*signature);
    const std::string_view signed_part = token.substr(0, last);
    const Context context(EVP_MD_CTX_new());
    const bool good =
        EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, parts_->key.get()) == 1 &&
        EVP_DigestVerify(context.get(), bytes_of(der), der.size(), bytes_of(signed_part), signed_part.size()) == 1;
    ERR_clear_error();
    if (!good) return std::nullopt;
    return json::parse(*payload);
  } catch (const Error&) {  // a header that is no JSON
    return std::nullopt;
  }
}

}  // namespace gantry
