#include "controller/base/tls.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <limits>

#include "controller/base/digest.hpp"
#include "controller/base/error.hpp"
#include "controller/base/openssl.hpp"

namespace gantry::tls {
namespace {

using openssl::Bio;
using X509Ptr = openssl::Certificate;
using KeyPtr = openssl::Key;

std::string last_error() {
  std::string text;
  unsigned long code = 0;
  while ((code = ERR_get_error()) != 0) {
    if (!text.empty()) continue;  // the first is the cause
    const char* reason = ERR_reason_error_string(code);
    text = reason ? reason : "OpenSSL error " + std::to_string(code);
  }
  return text;
}

[[noreturn]] void invalid(const std::string& what) {
  const std::string why = last_error();
  throw Error(ErrorCode::Invalid, what + (why.empty() ? "" : ": " + why));
}

// The socket as OpenSSL sees it. Unlike its own, it never raises SIGPIPE.
int socket_write(BIO* bio, const char* bytes, int length) {
  const int fd = static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
  BIO_clear_retry_flags(bio);
  const auto sent = ::send(fd, bytes, static_cast<std::size_t>(length), MSG_NOSIGNAL);
  if (sent < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
  return static_cast<int>(sent);
}

int socket_read(BIO* bio, char* into, int length) {
  const int fd = static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio)));
  BIO_clear_retry_flags(bio);
  const auto got = ::recv(fd, into, static_cast<std::size_t>(length), 0);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
  if (got == 0) BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
  return static_cast<int>(got);
}

long socket_control(BIO* bio, int command, long, void*) {
  if (command == BIO_CTRL_FLUSH) return 1;
  if (command == BIO_CTRL_EOF) return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) ? 1 : 0;
  return 0;
}

BIO* new_socket_bio(int descriptor) {
  static BIO_METHOD* const method = [] {
    auto* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    BIO_meth_set_write(made, socket_write);
    BIO_meth_set_read(made, socket_read);
    BIO_meth_set_ctrl(made, socket_control);
    return made;
  }();
  BIO* bio = BIO_new(method);
  BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(descriptor)));
  BIO_set_init(bio, 1);
  return bio;
}

void use_certificate(SSL_CTX* context, const std::string& chain, const Secret& key) {
  const Bio text(BIO_new_mem_buf(chain.data(), static_cast<int>(chain.size())));
  const X509Ptr leaf(PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr));
  if (!leaf || SSL_CTX_use_certificate(context, leaf.get()) != 1) invalid("the certificate is not valid PEM");
  while (X509* next = PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr)) {
    SSL_CTX_add0_chain_cert(context, next);
  }
  ERR_clear_error();  // the end of the chain is reported as one
  const std::string& secret = key.reveal();
  const Bio key_text(BIO_new_mem_buf(secret.data(), static_cast<int>(secret.size())));
  const KeyPtr pkey(PEM_read_bio_PrivateKey(key_text.get(), nullptr, nullptr, nullptr));
  if (!pkey) invalid("the private key is not valid PEM (an encrypted key cannot be used)");
  if (SSL_CTX_use_PrivateKey(context, pkey.get()) != 1) invalid("the private key does not belong to the certificate");
}

// Returns the first certificate's subject for the list of acceptable authorities.
void trust(SSL_CTX* context, const std::string& pem, bool announce) {
  const Bio text(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  X509_STORE* store = SSL_CTX_get_cert_store(context);
  bool any = false;
  while (true) {
    const X509Ptr certificate(PEM_read_bio_X509(text.get(), nullptr, nullptr, nullptr));
    if (!certificate) break;
    X509_STORE_add_cert(store, certificate.get());
    if (announce) SSL_CTX_add_client_CA(context, certificate.get());
    any = true;
  }
  ERR_clear_error();
  if (!any) invalid("the certificate authority holds no PEM certificate");
}

int choose_protocol(SSL*, const unsigned char** out, unsigned char* length, const unsigned char* offered,
                    unsigned int offered_length, void*) {
  static constexpr unsigned char kHttp[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, length, kHttp, sizeof kHttp - 1, offered, offered_length) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;  // a client of h2 only finds out by itself; refusing would hide why
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

std::string fingerprint_of(X509* certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int length = 0;
  if (X509_digest(certificate, EVP_sha256(), digest.data(), &length) != 1) return {};
  return "sha256:" + to_hex({digest.data(), length});
}

// A client that shows a bad certificate learns nothing here that one without any would not: both are strangers, and the
// answer to a request says so. peer() looks at the verdict.
int let_everybody_in(int, X509_STORE_CTX*) { return 1; }

// In place of the whole judgement of a chain: it is that certificate, or it is not.
int is_pinned(X509_STORE_CTX* chain, void* pin) {
  X509* shown = X509_STORE_CTX_get0_cert(chain);
  const bool right = shown && equal_in_constant_time(fingerprint_of(shown), *static_cast<const std::string*>(pin));
  X509_STORE_CTX_set_error(chain, right ? X509_V_OK : X509_V_ERR_CERT_REJECTED);
  return right ? 1 : 0;
}

}  // namespace

struct Context::Parts {
  SSL_CTX* context = nullptr;
  SSL_SESSION* session = nullptr;  // clients: the newest, for the next connection
  bool is_server = false;
  bool insecure = false;
  std::string pin;

  Parts(const SSL_METHOD* method, bool server) : context(SSL_CTX_new(method)), is_server(server) {
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF |
                                     SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                  SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_read_ahead(context, 1);  // one recv() for a whole record, not one for its head and one for its rest
    SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256");
    SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20");
  }
  Parts(const Parts&) = delete;
  Parts& operator=(const Parts&) = delete;
  ~Parts() {
    SSL_SESSION_free(session);
    SSL_CTX_free(context);
  }
};

Context::Context(const Server& options) : parts_(std::make_unique<Parts>(TLS_server_method(), true)) {
  SSL_CTX* context = parts_->context;
  use_certificate(context, options.certificate, options.key);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  SSL_CTX_set_num_tickets(context, 1);
  static constexpr unsigned char kId[] = "gantry";
  SSL_CTX_set_session_id_context(context, kId, sizeof kId - 1);
  SSL_CTX_set_timeout(context, 3600);
  // Tickets carry the sessions; a cache here would only hold memory.
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  if (options.client_ca.empty()) return;
  trust(context, options.client_ca, true);
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, let_everybody_in);
}

Context::Context(const Client& options) : parts_(std::make_unique<Parts>(TLS_client_method(), false)) {
  SSL_CTX* context = parts_->context;
  parts_->insecure = options.insecure;
  if (!options.certificate.empty()) use_certificate(context, options.certificate, options.key);
  if (!options.pin.empty()) {
    parts_->pin = options.pin;
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    SSL_CTX_set_cert_verify_callback(context, is_pinned, &parts_->pin);
  } else if (options.insecure) {
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, nullptr);
  } else {
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    if (options.ca.empty()) {
      SSL_CTX_set_default_verify_paths(context);
    } else {
      trust(context, options.ca, false);
    }
  }
  static constexpr unsigned char kHttp[] = "\x08http/1.1";
  SSL_CTX_set_alpn_protos(context, kHttp, sizeof kHttp - 1);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_set_app_data(context, parts_.get());
  SSL_CTX_sess_set_new_cb(context, [](SSL* ssl, SSL_SESSION* session) {
    auto* parts = static_cast<Parts*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl)));
    SSL_SESSION_free(std::exchange(parts->session, session));
    return 1;  // kept
  });
}

Context::~Context() = default;

struct Channel::Parts {
  SSL* ssl = nullptr;
  bool failed = false;
  ~Parts() { SSL_free(ssl); }
};

Channel::Channel(Context& context, int descriptor, const std::string& peer) : parts_(std::make_unique<Parts>()) {
  parts_->ssl = SSL_new(context.parts_->context);
  SSL* ssl = parts_->ssl;
  if (!ssl) throw Error(ErrorCode::Unavailable, "cannot start TLS: " + last_error());
  BIO* bio = new_socket_bio(descriptor);
  SSL_set_bio(ssl, bio, bio);
  if (context.parts_->is_server) {
    SSL_set_accept_state(ssl);
    return;
  }
  SSL_set_connect_state(ssl);
  const bool is_address =
      peer.find(':') != std::string::npos || peer.find_first_not_of("0123456789.") == std::string::npos;
  if (!is_address) SSL_set_tlsext_host_name(ssl, peer.c_str());
  if (!context.parts_->insecure && !peer.empty()) {
    X509_VERIFY_PARAM* verify = SSL_get0_param(ssl);
    if (is_address) {
      X509_VERIFY_PARAM_set1_ip_asc(verify, peer.c_str());
    } else {
      X509_VERIFY_PARAM_set1_host(verify, peer.data(), peer.size());
    }
  }
  if (context.parts_->session) SSL_set_session(ssl, context.parts_->session);
}

Channel::~Channel() = default;

Outcome Channel::judge(int result) {
  switch (SSL_get_error(parts_->ssl, result)) {
    case SSL_ERROR_WANT_READ:
      return Outcome::WantRead;
    case SSL_ERROR_WANT_WRITE:
      return Outcome::WantWrite;
    case SSL_ERROR_ZERO_RETURN:
      return Outcome::End;
    case SSL_ERROR_SYSCALL: {
      parts_->failed = true;
      const int error = errno;
      failure_ = last_error();
      if (failure_.empty()) failure_ = error ? std::strerror(error) : "the peer closed the connection";
      return Outcome::Failed;
    }
    default:
      break;
  }
  parts_->failed = true;
  failure_ = last_error();
  if (failure_.empty()) failure_ = "the peer closed the connection";
  const long verdict = SSL_get_verify_result(parts_->ssl);
  if (verdict != X509_V_OK) failure_ += std::string(" (") + X509_verify_cert_error_string(verdict) + ")";
  return Outcome::Failed;
}

Outcome Channel::handshake() {
  ERR_clear_error();
  const int result = SSL_do_handshake(parts_->ssl);
  return result == 1 ? Outcome::Done : judge(result);
}

Outcome Channel::read(std::span<char> into, std::size_t& got) {
  ERR_clear_error();
  const int result = SSL_read_ex(parts_->ssl, into.data(), into.size(), &got);
  return result == 1 ? Outcome::Done : judge(result);
}

Outcome Channel::write(std::string_view bytes, std::size_t& taken) {
  ERR_clear_error();
  const int result = SSL_write_ex(parts_->ssl, bytes.data(), bytes.size(), &taken);
  return result == 1 ? Outcome::Done : judge(result);
}

bool Channel::pending() const { return SSL_has_pending(parts_->ssl) == 1; }

void Channel::close_notify() {
  if (parts_->failed || !SSL_is_init_finished(parts_->ssl)) return;
  ERR_clear_error();
  SSL_shutdown(parts_->ssl);
  ERR_clear_error();
}

std::optional<Identity> Channel::peer() const {
  const X509Ptr certificate(SSL_get1_peer_certificate(parts_->ssl));
  if (!certificate || SSL_get_verify_result(parts_->ssl) != X509_V_OK) return std::nullopt;
  // A resumed session was verified when it began, which may be a while ago.
  if (X509_cmp_current_time(X509_get0_notAfter(certificate.get())) < 0) return std::nullopt;
  Identity identity;
  std::tm end{};
  if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &end) != 1) return std::nullopt;
  identity.until = WallTime(std::chrono::seconds(::timegm(&end)));
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  for (int i = 0; i < X509_NAME_entry_count(subject); ++i) {
    const X509_NAME_ENTRY* entry = X509_NAME_get_entry(subject, i);
    const int kind = OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry));
    if (kind != NID_commonName && kind != NID_organizationName) continue;
    unsigned char* text = nullptr;
    const int length = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(entry));
    if (length < 0) return std::nullopt;
    std::string value(reinterpret_cast<char*>(text), static_cast<std::size_t>(length));
    OPENSSL_free(text);
    if (value.find('\0') != std::string::npos) return std::nullopt;
    if (kind == NID_commonName)
      identity.common_name = std::move(value);
    else
      identity.organizations.push_back(std::move(value));
  }
  if (identity.common_name.empty()) return std::nullopt;
  return identity;
}

std::string Channel::version() const { return SSL_get_version(parts_->ssl); }
bool Channel::resumed() const { return SSL_session_reused(parts_->ssl) == 1; }

}  // namespace gantry::tls
