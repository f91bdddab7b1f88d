// What a git server wants to see, from the Secret that spec names.
#pragma once

#include <string>

#include "controller/api/client.hpp"
#include "providers/source/git_checkout.hpp"

namespace gantry::reconcilers {

// secret: the name in secretRef; empty: no credentials. Keys username and password (or token) for https, ssh-privatekey
// for ssh. Throws Error(NotFound) that names `field`.
Task<providers::source::GitCredentials> git_credentials(api::Client& client, std::string ns, std::string secret,
                                                        std::string field);

}  // namespace gantry::reconcilers
