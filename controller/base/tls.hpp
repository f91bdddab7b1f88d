// TLS 1.2 and 1.3 over a non-blocking socket, by OpenSSL without a second buffer: records are read from and written to
// the descriptor directly. Nothing here waits; ByteStream does that.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/clock.hpp"
#include "controller/base/secret.hpp"

namespace gantry::tls {

// Who the peer's verified certificate says it is.
struct Identity {
  std::string common_name;
  std::vector<std::string> organizations;
  WallTime until = WallTime::max();  // the certificate's end
};

// What all connections of one server, or to one server, share: certificates, trust, sessions to resume.
// One thread. Throws Error(Invalid) when PEM text is not what it should be.
class Context {
 public:
  struct Server {
    std::string certificate;  // PEM, the chain
    Secret key;               // PEM
    std::string client_ca;    // PEM; when set, a client may show a certificate; a bad one is as none
  };
  struct Client {
    std::string ca;           // PEM; empty: what this system trusts
    std::string certificate;  // PEM; empty: none is shown
    Secret key;
    bool insecure = false;  // trust anybody
    // "sha256:<hex>" of the one certificate that is trusted (pki::fingerprint_of), whoever signed it and whatever it is
    // named; until when it lives is the business of whoever pinned it.
    std::string pin;
  };
  explicit Context(const Server& options);
  explicit Context(const Client& options);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

 private:
  friend class Channel;
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

enum class Outcome { Done, WantRead, WantWrite, End, Failed };

class Channel {
 public:
  // descriptor: connected and non-blocking; it stays the caller's. peer: the host name or address that the server's
  // certificate must carry; for clients only. The context must outlive the channel.
  Channel(Context& context, int descriptor, const std::string& peer = {});
  ~Channel();
  Channel(const Channel&) = delete;
  Channel& operator=(const Channel&) = delete;

  Outcome handshake();
  Outcome read(std::span<char> into, std::size_t& got);
  // After WantRead or WantWrite the same bytes must be offered again (from anywhere in memory).
  Outcome write(std::string_view bytes, std::size_t& taken);
  // Bytes may wait inside: read() before waiting for the socket.
  bool pending() const;
  // Tells the peer that nothing follows, if that can be done at once.
  void close_notify();

  // Why Failed, for people.
  const std::string& failure() const { return failure_; }
  // Of a verified certificate that is valid at this time; after the handshake.
  std::optional<Identity> peer() const;
  std::string version() const;  // TLSv1.3
  bool resumed() const;

 private:
  struct Parts;
  Outcome judge(int result);
  std::unique_ptr<Parts> parts_;
  std::string failure_;
};

}  // namespace gantry::tls
