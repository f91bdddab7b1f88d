#include "controller/api/http/certificate_watch.hpp"

#include "controller/base/log.hpp"
#include "controller/base/metrics.hpp"
#include "controller/base/pki.hpp"

namespace gantry::api::http {
namespace {

const log::Logger kLog("certificate");
constexpr Duration kInterval = std::chrono::minutes(1);

void tell_end(const tls::Context::Server& served) {
  static const auto gauge =
      metrics::gauge("gantry_http_certificate_end_timestamp_seconds", "When the serving certificate in use ends.");
  gauge.set(std::chrono::duration<double>(pki::life_of(served.certificate).until.time_since_epoch()).count());
}

}  // namespace

CertificateWatch::CertificateWatch(Reactor& front, Blocking& blocking, Server& server, tls::Context::Server known,
                                   Look look)
    : front_(front),
      blocking_(blocking),
      server_(server),
      known_(std::move(known)),
      look_(std::move(look)),
      stopped_(front),
      gate_(front) {}

CertificateWatch::~CertificateWatch() = default;

void CertificateWatch::start() {
  tell_end(known_);
  front_.spawn(run(gate_.enter()));
}

Task<> CertificateWatch::stop() {
  stopping_ = true;
  stopped_.notify_all();
  co_await gate_.close();
}

Task<> CertificateWatch::run(Gate::Pass) {
  while (!stopping_) {
    const Instant next = front_.now() + kInterval;
    while (!stopping_ && front_.now() < next) co_await stopped_.wait_until(next);
    if (!stopping_) co_await look_once();
  }
}

Task<> CertificateWatch::look_once() {
  std::string failure;
  try {
    tls::Context::Server found = co_await blocking_.run(front_, look_);
    if (found.certificate == known_.certificate && found.client_ca == known_.client_ca) co_return;
    server_.use_certificate(found);
    known_ = std::move(found);
    tell_end(known_);
    kLog.info("another serving certificate is used from now on",
              {{"fingerprint", pki::fingerprint_of(known_.certificate)},
               {"valid_until", format_time(pki::life_of(known_.certificate).until)}});
  } catch (const Error& error) {
    failure = error.message();
  }
  if (!failure.empty())
    kLog.warn("the serving certificate could not be looked at; the one in use stays", {{"error", failure}});
}

}  // namespace gantry::api::http
