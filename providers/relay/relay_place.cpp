#include "providers/relay/relay_place.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "controller/base/error.hpp"

namespace gantry::providers::relay {
namespace {

constexpr int kBacklog = 4096;
constexpr std::string_view kTaken = "taken\n";
constexpr std::string_view kQuestion = "POST /handover HTTP/1.1\r\nHost: relay\r\n\r\n";
constexpr std::size_t kCount = 3;

[[noreturn]] void fail(const std::string& doing) {
  throw Error(ErrorCode::Unavailable, doing + ": " + std::strerror(errno));
}

sockaddr_un address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) throw Error(ErrorCode::Invalid, path + " is too long for a socket");
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

// One message with room for three descriptors.
struct Envelope {
  Envelope(void* bytes, std::size_t length) : piece{bytes, length} {
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
  }
  iovec piece;
  msghdr message{};
  alignas(cmsghdr) char control[CMSG_SPACE(kCount * sizeof(int))]{};
};

}  // namespace

int listen_on(const std::string& path) {
  const sockaddr_un address = address_of(path);
  ::unlink(path.c_str());
  const int descriptor = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const mode_t before = ::umask(0177);  // nobody else's business
  const bool bound = ::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  ::umask(before);
  if (!bound || ::listen(descriptor, kBacklog) != 0) fail("cannot listen on " + path);
  return descriptor;
}

int listen_on(const std::string& address, int port) {
  const bool six = address.find(':') != std::string::npos;
  sockaddr_in6 name6{};
  sockaddr_in name4{};
  if (six) {
    name6.sin6_family = AF_INET6;
    name6.sin6_port = htons(static_cast<std::uint16_t>(port));
    if (::inet_pton(AF_INET6, address.c_str(), &name6.sin6_addr) != 1)
      throw Error(ErrorCode::Invalid, address + " is no address to listen on");
  } else {
    name4.sin_family = AF_INET;
    name4.sin_port = htons(static_cast<std::uint16_t>(port));
    if (::inet_pton(AF_INET, address.c_str(), &name4.sin_addr) != 1)
      throw Error(ErrorCode::Invalid, address + " is no address to listen on");
  }
  const auto* name = six ? reinterpret_cast<const sockaddr*>(&name6) : reinterpret_cast<const sockaddr*>(&name4);
  const int descriptor = ::socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int on = 1;
  ::setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(descriptor, name, six ? sizeof name6 : sizeof name4) != 0 || ::listen(descriptor, kBacklog) != 0) {
    const int why = errno;
    ::close(descriptor);
    errno = why;
    fail("cannot listen on " + address + " port " + std::to_string(port));
  }
  return descriptor;
}

int port_of(int descriptor) {
  sockaddr_storage name{};
  socklen_t length = sizeof name;
  ::getsockname(descriptor, reinterpret_cast<sockaddr*>(&name), &length);
  return ntohs(name.ss_family == AF_INET6 ? reinterpret_cast<const sockaddr_in6*>(&name)->sin6_port
                                          : reinterpret_cast<const sockaddr_in*>(&name)->sin_port);
}

std::optional<Place> open_place(const std::string& folder, const std::function<int()>& listen) {
  Place place;
  const std::string lock = folder + "/relay.lock";
  place.lock = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (place.lock < 0) fail("cannot open " + lock);
  if (::flock(place.lock, LOCK_EX | LOCK_NB) != 0) {
    ::close(place.lock);
    return std::nullopt;
  }
  place.control = listen_on(folder + "/control.sock");
  place.requests = listen();
  return place;
}

TakenPlace take_place(const std::string& folder) {
  const std::string path = folder + "/control.sock";
  const sockaddr_un address = address_of(path);
  const int connection = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const timeval patience{.tv_sec = 5, .tv_usec = 0};
  ::setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  if (::connect(connection, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::send(connection, kQuestion.data(), kQuestion.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(kQuestion.size()))
    fail("cannot ask the relay that runs at " + path);
  char answer[kTaken.size()];
  Envelope envelope(answer, sizeof answer);
  if (::recvmsg(connection, &envelope.message, MSG_CMSG_CLOEXEC) < 0) fail("the relay that runs does not answer");
  const cmsghdr* header = CMSG_FIRSTHDR(&envelope.message);
  if (!header || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(kCount * sizeof(int)))
    throw Error(ErrorCode::Unavailable, "the relay that runs does not give its place");
  int given[kCount];
  std::memcpy(given, CMSG_DATA(header), sizeof given);
  return {{given[0], given[1], given[2]}, connection};
}

bool give_place(int connection, const Place& place) {
  std::string text(kTaken);
  Envelope envelope(text.data(), text.size());
  cmsghdr* header = CMSG_FIRSTHDR(&envelope.message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(kCount * sizeof(int));
  const int given[kCount] = {place.lock, place.control, place.requests};
  std::memcpy(CMSG_DATA(header), given, sizeof given);
  return ::sendmsg(connection, &envelope.message, MSG_NOSIGNAL) == static_cast<ssize_t>(text.size());
}

}  // namespace gantry::providers::relay
