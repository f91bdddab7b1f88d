#include "controller/base/pki.hpp"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>

#include "controller/base/digest.hpp"
#include "controller/base/error.hpp"
#include "controller/base/files.hpp"
#include "controller/base/openssl.hpp"

namespace gantry::pki {
namespace {

using openssl::Bio;
using openssl::Certificate;
using openssl::FreeBy;
using openssl::Key;

[[noreturn]] void fail(const std::string& what) {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  ERR_clear_error();
  throw Error(ErrorCode::Internal, what + ": " + text.data());
}

void check(bool good, const char* what) {
  if (!good) fail(what);
}

std::string text_of(BIO* bio) {
  char* data = nullptr;
  const long length = BIO_get_mem_data(bio, &data);
  return std::string(data, static_cast<std::size_t>(length));
}

Certificate read_certificate(const std::string& pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  if (!certificate) throw Error(ErrorCode::Invalid, "this is no PEM certificate");
  return certificate;
}

Key read_key(const Secret& pem) {
  const Bio bio(BIO_new_mem_buf(pem.reveal().data(), static_cast<int>(pem.reveal().size())));
  Key key(PEM_read_bio_PrivateKey(bio.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  if (!key) throw Error(ErrorCode::Invalid, "this is no PEM private key");
  return key;
}

Credential to_pem(X509* certificate, EVP_PKEY* key) {
  const Bio certificate_text(BIO_new(BIO_s_mem()));
  const Bio key_text(BIO_new(BIO_s_secmem()));
  check(PEM_write_bio_X509(certificate_text.get(), certificate) == 1, "cannot write the certificate");
  check(PEM_write_bio_PKCS8PrivateKey(key_text.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1,
        "cannot write the private key");
  return {text_of(certificate_text.get()), Secret(text_of(key_text.get()))};
}

void set_time(ASN1_TIME* field, WallTime time) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
  check(ASN1_TIME_set(field, seconds) != nullptr, "cannot set a certificate's time");
}

void add_name(X509_NAME* name, const char* field, std::string_view value) {
  check(X509_NAME_add_entry_by_txt(name, field, MBSTRING_UTF8, reinterpret_cast<const unsigned char*>(value.data()),
                                   static_cast<int>(value.size()), -1, 0) == 1,
        "cannot set a certificate's subject");
}

void add_extension(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, FreeBy<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
  check(extension != nullptr, "cannot make a certificate's extension");
  check(X509_add_ext(certificate, extension.get(), -1) == 1, "cannot add a certificate's extension");
}

bool is_address(const std::string& name) {
  return name.find(':') != std::string::npos ||
         (!name.empty() && name.find_first_not_of("0123456789.") == std::string::npos);
}

// Written by hand rather than by the text form "DNS:a,IP:b", in which a name could smuggle in another.
void add_alternative_names(X509* certificate, const std::vector<std::string>& names) {
  const std::unique_ptr<GENERAL_NAMES, FreeBy<GENERAL_NAMES_free>> list(sk_GENERAL_NAME_new_null());
  for (const auto& name : names) {
    GENERAL_NAME* entry = GENERAL_NAME_new();
    sk_GENERAL_NAME_push(list.get(), entry);
    if (is_address(name)) {
      ASN1_OCTET_STRING* address = a2i_IPADDRESS(name.c_str());
      if (!address) throw Error(ErrorCode::Invalid, "\"" + name + "\" is no IP address");
      GENERAL_NAME_set0_value(entry, GEN_IPADD, address);
    } else {
      ASN1_IA5STRING* text = ASN1_IA5STRING_new();
      ASN1_STRING_set(text, name.data(), static_cast<int>(name.size()));
      GENERAL_NAME_set0_value(entry, GEN_DNS, text);
    }
  }
  check(X509_add1_ext_i2d(certificate, NID_subject_alt_name, list.get(), 0, 0) == 1, "cannot add alternative names");
}

struct Draft {
  Key key;
  Certificate certificate;
};

Draft draft(Life life) {
  Draft made;
  made.key.reset(EVP_EC_gen("P-256"));
  check(made.key != nullptr, "cannot make a P-256 key");
  made.certificate.reset(X509_new());
  X509* certificate = made.certificate.get();
  check(X509_set_version(certificate, X509_VERSION_3) == 1, "cannot make a certificate");
  const std::unique_ptr<BIGNUM, FreeBy<BN_free>> serial(BN_new());
  check(BN_rand(serial.get(), 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1, "cannot make a serial number");
  BN_to_ASN1_INTEGER(serial.get(), X509_get_serialNumber(certificate));
  set_time(X509_getm_notBefore(certificate), life.from);
  set_time(X509_getm_notAfter(certificate), life.until);
  check(X509_set_pubkey(certificate, made.key.get()) == 1, "cannot set a certificate's key");
  return made;
}

Credential sign(Draft made, const Credential& authority) {
  const Certificate issuer = read_certificate(authority.certificate);
  const Key issuer_key = read_key(authority.key);
  X509* certificate = made.certificate.get();
  check(X509_set_issuer_name(certificate, X509_get_subject_name(issuer.get())) == 1, "cannot set the issuer");
  add_extension(certificate, issuer.get(), NID_basic_constraints, "critical,CA:FALSE");
  add_extension(certificate, issuer.get(), NID_key_usage, "critical,digitalSignature");
  add_extension(certificate, issuer.get(), NID_authority_key_identifier, "keyid:always");
  check(X509_sign(certificate, issuer_key.get(), EVP_sha256()) > 0, "cannot sign the certificate");
  return to_pem(certificate, made.key.get());
}

WallTime time_of(const ASN1_TIME* field) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(field, &parts) != 1) throw Error(ErrorCode::Invalid, "the certificate has no valid dates");
  return WallTime(std::chrono::seconds(::timegm(&parts)));
}

}  // namespace

Credential make_authority(std::string_view common_name, Life life) {
  Draft made = draft(life);
  X509* certificate = made.certificate.get();
  add_name(X509_get_subject_name(certificate), "CN", common_name);
  X509_set_issuer_name(certificate, X509_get_subject_name(certificate));
  add_extension(certificate, certificate, NID_basic_constraints, "critical,CA:TRUE,pathlen:0");
  add_extension(certificate, certificate, NID_key_usage, "critical,keyCertSign,cRLSign,digitalSignature");
  add_extension(certificate, certificate, NID_subject_key_identifier, "hash");
  check(X509_sign(certificate, made.key.get(), EVP_sha256()) > 0, "cannot sign the certificate");
  return to_pem(certificate, made.key.get());
}

Credential issue_serving(const Credential& authority, const std::vector<std::string>& names, Life life) {
  Draft made = draft(life);
  X509* certificate = made.certificate.get();
  add_name(X509_get_subject_name(certificate), "CN", "gantry");
  add_alternative_names(certificate, names);
  add_extension(certificate, certificate, NID_ext_key_usage, "serverAuth");
  return sign(std::move(made), authority);
}

Credential issue_client(const Credential& authority, std::string_view user, const std::vector<std::string>& groups,
                        Life life) {
  Draft made = draft(life);
  X509* certificate = made.certificate.get();
  for (const auto& group : groups) add_name(X509_get_subject_name(certificate), "O", group);
  add_name(X509_get_subject_name(certificate), "CN", user);
  add_extension(certificate, certificate, NID_ext_key_usage, "clientAuth");
  return sign(std::move(made), authority);
}

Life life_of(const std::string& certificate) {
  const Certificate read = read_certificate(certificate);
  return {time_of(X509_get0_notBefore(read.get())), time_of(X509_get0_notAfter(read.get()))};
}

bool serves(const std::string& certificate, const std::vector<std::string>& names, const std::string& authority) {
  const Certificate read = read_certificate(certificate);
  const Certificate issuer = read_certificate(authority);
  const bool signed_by = X509_verify(read.get(), X509_get0_pubkey(issuer.get())) == 1;
  ERR_clear_error();
  return signed_by && std::ranges::all_of(names, [&](const std::string& name) {
           return is_address(name) ? X509_check_ip_asc(read.get(), name.c_str(), 0) == 1
                                   : X509_check_host(read.get(), name.data(), name.size(), 0, nullptr) == 1;
         });
}

std::string fingerprint_of(const std::string& certificate) {
  const Certificate read = read_certificate(certificate);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  unsigned int length = 0;
  check(X509_digest(read.get(), EVP_sha256(), digest.data(), &length) == 1, "cannot hash a certificate");
  return "sha256:" + to_hex({digest.data(), length});
}

Secret new_token(Random& random) { return Secret(random.hex(32)); }

Folder::Folder(std::string path, Clock& clock) : path_(std::move(path)), clock_(clock) {
  files::make_directories(path_, 0700);
  if (load("ca", authority_)) return;
  if (files::exists(files::join(path_, "ca.crt"))) {
    throw Error(ErrorCode::NotFound, files::join(path_, "ca.key") +
                                         " is missing beside ca.crt; restore it from a backup, or remove " + path_ +
                                         " to start with a new authority (every kubeconfig is made anew then)");
  }
  // The name tells two authorities apart in a browser's or kubectl's complaint.
  authority_ = make_authority("gantry-ca-" + system_random().hex(4), life(kAuthorityLife));
  save("ca", authority_);
}

Credential Folder::serving(std::vector<std::string> names) {
  Credential kept;
  if (load("serving", kept) && serves(kept.certificate, names, authority_.certificate) &&
      life_of(kept.certificate).until > clock_.wall() + kRenewBefore) {
    return kept;
  }
  Credential made = issue_serving(authority_, names, life(kCertificateLife));
  save("serving", made);
  return made;
}

Credential Folder::issue(const std::vector<std::string>& names) const {
  return issue_serving(authority_, names, life(kCertificateLife));
}

Credential Folder::client(const std::string& file, std::string_view user, const std::vector<std::string>& groups) {
  Credential kept;
  if (load(file, kept) && serves(kept.certificate, {}, authority_.certificate) &&
      life_of(kept.certificate).until > clock_.wall() + kRenewBefore) {
    return kept;
  }
  Credential made = issue_client(authority_, user, groups, life(kCertificateLife));
  save(file, made);
  return made;
}

Credential Folder::client_for(std::string_view user, const std::vector<std::string>& groups, Duration length) const {
  Life wanted{clock_.wall() - std::chrono::hours(1), clock_.wall() + length};
  wanted.until = std::min(wanted.until, life_of(authority_.certificate).until);
  return issue_client(authority_, user, groups, wanted);
}

bool Folder::load(const std::string& file, Credential& into) const {
  const std::string key_path = files::join(path_, file + ".key");
  auto certificate = files::read_file_if_exists(files::join(path_, file + ".crt"), 1 << 20);
  auto key = files::read_file_if_exists(key_path, 1 << 20);
  if (!certificate || !key) return false;
  if (files::readable_by_others(key_path)) {
    throw Error(ErrorCode::Forbidden, key_path +
                                          " can be read by others on this machine; if nobody has, run: chmod 600 " +
                                          key_path + " (else remove " + path_ + " and start with new keys)");
  }
  into = {std::move(*certificate), Secret(std::move(*key))};
  read_certificate(into.certificate);
  return true;
}

// The key first: a certificate without its key would be taken for a loss, a key alone is simply written over.
void Folder::save(const std::string& file, const Credential& credential) const {
  files::write_file_atomically(files::join(path_, file + ".key"), credential.key.reveal(), 0600);
  files::write_file_atomically(files::join(path_, file + ".crt"), credential.certificate, 0644);
}

Life Folder::life(std::chrono::days length) const {
  // An hour back, for machines whose clock is behind ours.
  return {clock_.wall() - std::chrono::hours(1), clock_.wall() + length};
}

std::vector<std::string> serving_names(const std::string& listen_address) {
  std::vector<std::string> names{"localhost", "127.0.0.1", "::1"};
  std::array<char, 256> host{};
  if (::gethostname(host.data(), host.size() - 1) == 0 && host[0] != '\0') names.emplace_back(host.data());
  if (!listen_address.empty() && listen_address != "0.0.0.0" && listen_address != "::") names.push_back(listen_address);
  std::ranges::sort(names);
  names.erase(std::ranges::unique(names).begin(), names.end());
  return names;
}

}  // namespace gantry::pki
