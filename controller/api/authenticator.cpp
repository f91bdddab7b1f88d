#include "controller/api/authenticator.hpp"

#include <openssl/evp.h>
#include <strings.h>

#include <cstring>

#include "controller/base/error.hpp"

namespace gantry::api {
namespace {

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.remove_suffix(1);
  return text;
}

// One line of CSV; a field in quotes may hold commas, and a doubled quote is one.
std::vector<std::string> fields_of(std::string_view line, std::size_t number) {
  std::vector<std::string> fields;
  while (true) {
    std::string field;
    line = trimmed(line);
    if (line.starts_with('"')) {
      std::size_t at = 1;
      for (; at < line.size(); ++at) {
        if (line[at] != '"')
          field += line[at];
        else if (at + 1 < line.size() && line[at + 1] == '"')
          field += line[at++];
        else
          break;
      }
      if (at >= line.size()) {
        throw Error(ErrorCode::Invalid, "line " + std::to_string(number) + ": a quote is not closed");
      }
      line = trimmed(line.substr(at + 1));
    } else {
      const std::string_view plain = line.substr(0, line.find(','));
      field = trimmed(plain);
      line.remove_prefix(plain.size());
    }
    fields.push_back(std::move(field));
    if (line.empty()) return fields;
    if (line.front() != ',') {
      throw Error(ErrorCode::Invalid, "line " + std::to_string(number) + ": a comma is missing after a quoted field");
    }
    line.remove_prefix(1);
  }
}

std::vector<std::string> groups_of(std::string_view text) {
  std::vector<std::string> groups;
  while (!text.empty()) {
    const std::string_view group = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), group.size() + 1));
    if (!trimmed(group).empty()) groups.emplace_back(trimmed(group));
  }
  return groups;
}

User with_everybody(User user) {
  user.groups.emplace_back("system:authenticated");
  return user;
}

}  // namespace

void Authenticator::read_tokens(std::string_view csv) {
  for (std::size_t number = 1; !csv.empty(); ++number) {
    const std::string_view line = csv.substr(0, csv.find('\n'));
    csv.remove_prefix(std::min(csv.size(), line.size() + 1));
    if (trimmed(line).empty() || trimmed(line).starts_with('#')) continue;
    const auto fields = fields_of(line, number);
    if (fields.size() < 2 || fields[0].empty() || fields[1].empty()) {
      throw Error(ErrorCode::Invalid,
                  "line " + std::to_string(number) +
                      ": expected token,user,uid,\"group1,group2\" with at least a token and a user");
    }
    add_token(fields[0], {.name = fields[1],
                          .uid = fields.size() > 2 ? fields[2] : "",
                          .groups = groups_of(fields.size() > 3 ? fields[3] : "")});
  }
}

void Authenticator::add_token(std::string_view token, User user) {
  tokens_.insert_or_assign(digest_of(token), with_everybody(std::move(user)));
}

std::optional<User> Authenticator::identify(const tls::Identity* certificate, std::string_view authorization) const {
  if (certificate) {
    return with_everybody({.name = certificate->common_name,
                           .uid = "",
                           .groups = certificate->organizations,
                           .expires = certificate->until});
  }
  const auto token = bearer_token(authorization);
  const auto found = token ? tokens_.find(digest_of(*token)) : tokens_.end();
  if (found == tokens_.end()) return std::nullopt;
  return found->second;
}

std::optional<std::string_view> Authenticator::bearer_token(std::string_view authorization) {
  constexpr std::string_view kScheme = "Bearer ";
  if (authorization.size() <= kScheme.size() ||
      ::strncasecmp(authorization.data(), kScheme.data(), kScheme.size()) != 0) {
    return std::nullopt;
  }
  return trimmed(authorization.substr(kScheme.size()));
}

bool Authenticator::is_open(std::string_view path) const {
  for (const auto& open : options_.open_paths) {
    if (path.starts_with(open) && (path.size() == open.size() || path[open.size()] == '/')) return true;
  }
  return false;
}

std::size_t Authenticator::DigestHash::operator()(const Digest& digest) const {
  std::size_t hash = 0;
  std::memcpy(&hash, digest.data(), sizeof hash);
  return hash;
}

Authenticator::Digest Authenticator::digest_of(std::string_view token) {
  Digest digest{};
  if (EVP_Digest(token.data(), token.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1) {
    throw Error(ErrorCode::Internal, "OpenSSL cannot compute SHA-256");
  }
  return digest;
}

}  // namespace gantry::api
