// One of the folders of manifests/ as somebody would run it: copied, its code laid out beside it (the stand-in of
// tests/stand_in), its Secrets made, and applied by a controller with a proxy of its own. No certificate authority can
// be reached here, so tls.mode acme becomes internal; nothing else is changed.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/process/gantry_process.hpp"

namespace gantry::process {

class Seed {
 public:
  explicit Seed(std::string name, std::vector<std::string> controller_arguments = {});

  // The stand-in as the program `file` in code/`app`; with an image of nothing else around it when `in_image`.
  void lay_out(const std::string& app, const std::string& file, bool in_image);
  // In all of its manifests: for what a test has elsewhere than the world.
  void change(const std::string& what, const std::string& by);
  // kubectl create secret generic NAME --from-literal=...
  void secret(const std::string& name, const std::vector<std::string>& literals);
  Outcome apply();
  void wait_until_ready(const std::string& app);

  // HTTPS by the proxy, as the world would ask: the body, or what curl complained about. The certificate is checked.
  std::string https(const std::string& host, const std::string& path, std::vector<std::string> curl_arguments = {});
  json::Value get(const std::string& type_and_name) const { return controller.get(type_and_name, ns_); }
  std::string variable(const std::string& host, const std::string& path, const std::string& name);

  Controller controller;

 private:
  Seed(std::string name, int https_port, std::vector<std::string> controller_arguments);
  std::string manifests(const std::string& name = {}) const;

  std::string ns_;
  int https_port_;
};

}  // namespace gantry::process
