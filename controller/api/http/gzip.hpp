// Compresses a body piece by piece (level 1: as kube-apiserver does, since a list is waited for).
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace gantry::api::http {

class Gzip {
 public:
  Gzip();
  ~Gzip();
  // What has become ready is appended to out; that may be nothing.
  void add(std::string_view bytes, std::string& out);
  void finish(std::string& out);

 private:
  struct Stream;
  void run(std::string_view bytes, int flush, std::string& out);
  std::unique_ptr<Stream> stream_;
};

}  // namespace gantry::api::http
