// Where `gantry deploy` sends code, in front of the Kubernetes API, for whoever may write Apps in some namespace:
//   GET  /uploads/<sha256>             {"received": bytes}: where to go on
//   PUT  /uploads/<sha256>?offset=N    a piece, as it is, of at most 2 MiB: {"received": bytes}
//   POST /uploads/<sha256>             whole: {"digest": "sha256:..."}, for spec.source.code.upload
// The store itself, its limits and its checks are providers/source/upload_store.hpp.
#pragma once

#include "controller/api/api.hpp"
#include "controller/base/reactor.hpp"
#include "providers/source/upload_store.hpp"

namespace gantry::app {

class UploadRoutes final : public api::Handler {
 public:
  UploadRoutes(api::Handler& next, const api::Api& api, Reactor& front, Reactor& loop,
               providers::source::UploadStore& uploads)
      : next_(next), api_(api), front_(front), loop_(loop), uploads_(uploads) {}
  Task<api::HttpResponse> handle(api::HttpRequest request) override;

 private:
  Task<api::HttpResponse> answer(api::HttpRequest request);
  Task<api::HttpResponse> take(api::HttpRequest request);

  api::Handler& next_;
  const api::Api& api_;
  Reactor& front_;
  Reactor& loop_;
  providers::source::UploadStore& uploads_;
};

}  // namespace gantry::app
