#include "controller/base/secret.hpp"

#include <openssl/crypto.h>

namespace gantry {

bool equal_in_constant_time(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace gantry
