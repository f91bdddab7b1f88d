// The parts of a request's target, "/v2/droplets?tag_name=a%3Ab": decoded.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gantry::contract {

std::string decoded(std::string_view text);
std::vector<std::string> segments_of(std::string_view path);
std::vector<std::pair<std::string, std::string>> query_of(std::string_view target);

}  // namespace gantry::contract
