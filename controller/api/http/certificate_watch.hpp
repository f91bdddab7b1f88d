// Looks once a minute whether there is another serving certificate than the one in use, and has the server use it from
// then on: nobody has to restart for a certificate that ends. Front reactor.
#pragma once

#include <functional>
#include <memory>

#include "controller/api/http/server.hpp"
#include "controller/base/blocking.hpp"
#include "controller/base/signal.hpp"

namespace gantry::api::http {

class CertificateWatch {
 public:
  // What is to be served: reads files, issues anew what ends soon. Runs on a helper's thread; may throw Error, which is
  // logged, and looked at again a minute later.
  using Look = std::function<tls::Context::Server()>;

  // server and blocking must outlive it; known: what the server began with.
  CertificateWatch(Reactor& front, Blocking& blocking, Server& server, tls::Context::Server known, Look look);
  ~CertificateWatch();

  void start();
  Task<> stop();

 private:
  Task<> run(Gate::Pass pass);
  Task<> look_once();

  Reactor& front_;
  Blocking& blocking_;
  Server& server_;
  tls::Context::Server known_;
  Look look_;
  Signal stopped_;
  Gate gate_;
  bool stopping_ = false;
};

}  // namespace gantry::api::http
