// How to reach an API server and as whom, in the file format that kubectl uses.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/base/secret.hpp"
#include "controller/base/tls.hpp"

namespace gantry::api {

// One context, with everything that it refers to.
struct Kubeconfig {
  std::string context;
  std::string server;  // https://127.0.0.1:6443
  std::string ns;      // empty: not set
  std::string tls_server_name;
  std::string ca;  // PEM; empty: what this system trusts
  bool insecure = false;
  std::string user;         // what the file calls it
  std::string certificate;  // PEM; empty: none
  Secret key;
  Secret token;

  // Null for an http:// server.
  std::unique_ptr<tls::Context> make_tls() const;
};

// Which files kubectl would read: the one that is given, else those of $KUBECONFIG, else ~/.kube/config.
std::vector<std::string> kubeconfig_files(const std::string& given, const std::optional<std::string>& environment,
                                          const std::string& home);

// Merges the files (the first that names something wins; files that do not exist are passed over) and resolves the
// context, the current one when context is empty. Paths in a file are relative to it. Throws Error(NotFound) when there
// is no file or no such context, Error(Invalid) for what cannot be used; each says which file and what to do. Blocks.
Kubeconfig read_kubeconfig(const std::vector<std::string>& files, const std::string& context = {});

// A whole file with this one context, everything inline. To be written with mode 0600.
std::string to_yaml(const Kubeconfig& config);

}  // namespace gantry::api
