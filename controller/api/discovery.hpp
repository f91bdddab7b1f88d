// What is served, as clients ask for it: /api, /apis and below, in the aggregated and the older form, and /version.
// The documents are written once. Front reactor.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "controller/api/handler.hpp"
#include "controller/api/served.hpp"

namespace gantry::api {

// Bytes that do not change, with their ETag.
struct Document {
  std::string text;
  std::string etag;  // quoted
};
Document document(std::string text);
// 304 when the client has it already.
HttpResponse document_response(const HttpRequest& request, const Document& document,
                               std::string content_type = "application/json");
// 16 hexadecimal digits, the same for the same text on every machine.
std::string digest(std::string_view text);

class Discovery {
 public:
  // Made after every subresource was registered. advertise: host:port under which clients reach this server.
  Discovery(const Catalogue& catalogue, const std::string& advertise);

  HttpResponse api(const HttpRequest& request) const;   // /api
  HttpResponse apis(const HttpRequest& request) const;  // /apis
  // /apis/G; Error(NotFound) when there is no such group.
  HttpResponse group(const HttpRequest& request, const std::string& group) const;
  // /api/v1 and /apis/G/V.
  HttpResponse group_version(const HttpRequest& request, const std::string& group_version) const;
  // The group versions in the order of discovery: v1, gantry.dev/v1alpha1, ...
  const std::vector<std::string>& group_versions() const { return order_; }

 private:
  struct Entry;
  void add_kinds(const Catalogue& catalogue, std::map<std::string, std::vector<Entry>>& entries);
  void write_aggregated(const std::map<std::string, std::vector<Entry>>& entries);
  void write_legacy(const std::map<std::string, std::vector<Entry>>& entries, const std::string& advertise);

  std::vector<std::string> order_;
  Document api_v2_, api_v2beta1_, apis_v2_, apis_v2beta1_, api_legacy_, apis_legacy_;
  std::map<std::string, Document> groups_, group_versions_;
};

// GET /version.
std::string version_document(const std::string& version);

}  // namespace gantry::api
