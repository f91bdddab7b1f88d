// What POST /infra/deploy is given: every field checked, every mistake told at once, what belongs to another source
// refused. Secrets are registered with the log as they are read.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "controller/base/json.hpp"
#include "controller/base/secret.hpp"

namespace gantry::deploy {

struct DeployRequest {
  enum class Source { Code, Git, Image };

  std::string name;
  int port = 0;
  std::map<std::string, Secret> env;
  std::map<std::string, json::Value> env_from;  // {"secretKeyRef": {"name", "key"}}, as an App has it
  std::string environment;
  std::vector<std::string> tags;
  Source source = Source::Image;
  std::string code;  // a tar, tar.gz or zip
  std::string dockerfile;
  std::string git_url;
  std::string git_branch;
  Secret git_token;
  std::string image;
  std::vector<std::string> server_ips;
  int new_servers = 0;
  std::string snapshot;
  std::string region;
  std::string size;
  int agent_timeout = 0;  // seconds; 0: as the controller has it

  // One App for each environment.
  std::string app() const { return environment.empty() ? name : name + "-" + environment; }
};

// Throws Error(Invalid) with causes.
DeployRequest read_deploy(const json::Value& body);

struct ImageBuild {
  std::string name;
  std::string base;  // of a Snapshot or an image
  std::vector<std::string> packages;
  std::string region;
  std::string size;
};
ImageBuild read_image_build(const json::Value& body, std::string_view default_name);

}  // namespace gantry::deploy
