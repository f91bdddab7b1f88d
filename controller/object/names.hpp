// What names, labels and finalizers may look like (k8s.io/apimachinery validation). Each returns what is wrong, in
// upstream's words, or an empty string.
#pragma once

#include <string>
#include <string_view>

namespace gantry::object {

std::string subdomain_problem(std::string_view name);     // RFC 1123 subdomain, at most 253 bytes: names of most kinds
std::string dns_label_problem(std::string_view name);     // RFC 1123 label, at most 63 bytes: names of namespaces
std::string path_segment_problem(std::string_view name);  // may stand between two slashes: names of roles
std::string label_key_problem(std::string_view key);      // [prefix/]name: keys of labels, finalizers
std::string label_value_problem(std::string_view value);

}  // namespace gantry::object
