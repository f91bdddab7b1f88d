// What a new machine is told to do at its first start: cloud-init's user data, or a plain shell script, which images
// without cloud-init can run as well. Pure.
#pragma once

#include <string>
#include <vector>

#include "controller/base/secret.hpp"

namespace gantry::reconcilers::provider {

// Where machines fetch the agent: a tar.gz with the program and the libraries it needs.
struct AgentSource {
  std::string url;     // empty: nowhere; then it has to be in the image already
  std::string sha256;  // of the archive; guards it, whoever serves it
  std::string version;
  bool pending = false;  // it is being packed
  std::string reports;   // where builders say what has failed, without their token; empty: nowhere
};

struct AgentSetup {
  AgentSource source;
  int port = 9999;
  bool http = false;
  Secret key;
  std::string certificate;  // PEM; empty with http
  Secret certificate_key;
};

// A shell script that installs the agent and starts it, now and at each start of the machine.
std::string agent_script(const AgentSetup& setup);
// One that makes an image of the machine it runs on: packages, the agent without a key, then it goes off. It goes off
// only if everything worked: so a machine that is off is a machine that is done.
std::string builder_script(const std::vector<std::string>& packages, const AgentSource& source);
// What a builder does first: where cloud-init runs it all, it stays behind and, when something has failed, sends the
// end of the log there. Empty without an address.
std::string report_script(const std::string& url);
// A script that lets public keys sign in; empty without keys.
std::string ssh_keys_script(const std::vector<std::string>& public_keys);

// Several of them as one: a shell script where all are, else cloud-init's MIME archive, in which they run in the order
// given (https://cloudinit.readthedocs.io/en/latest/explanation/format.html). Empty ones are left out.
std::string merge_user_data(const std::vector<std::string>& parts);

// Whether an entry of spec.sshKeys is a key rather than the provider's name of one.
bool is_public_key(const std::string& entry);

}  // namespace gantry::reconcilers::provider
