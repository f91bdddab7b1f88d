#include "tests/emulators/emulator.hpp"

#include "controller/base/error.hpp"
#include "tests/contract/target.hpp"

namespace gantry::emulators {
namespace {

using How = Trouble::How;

constexpr Duration kGlance = std::chrono::milliseconds(200);  // at a machine that may go off by itself

std::string target_of(const std::string& url) {
  const auto host = url.find("://");
  const auto path = host == std::string::npos ? 0 : url.find('/', host + 3);
  return path == std::string::npos ? "/" : url.substr(path);
}

const std::string* header(const http::Headers& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (std::equal(key.begin(), key.end(), name.begin(), name.end(), [](char a, char b) {
          return std::tolower(static_cast<unsigned char>(a)) == std::tolower(static_cast<unsigned char>(b));
        }))
      return &value;
  }
  return nullptr;
}

}  // namespace

void read_ports(const std::string& text, Opening& into) {
  const auto dash = text.find('-');
  into.first_port = std::stoi(text.substr(0, dash));
  into.last_port = dash == std::string::npos ? into.first_port : std::stoi(text.substr(dash + 1));
}

const std::string* Call::find(std::string_view parameter) const {
  for (const auto& [name, value] : query) {
    if (name == parameter) return &value;
  }
  return nullptr;
}

std::vector<std::string> Call::all(std::string_view parameter) const {
  std::vector<std::string> values;
  for (const auto& [name, value] : query) {
    if (name == parameter) values.push_back(value);
  }
  return values;
}

std::int64_t Call::number(std::size_t capture) const {
  const std::string& text = captured.at(capture);
  if (text.empty() || text.size() > 18 || text.find_first_not_of("0123456789") != std::string::npos) return -1;
  return std::stoll(text);
}

Emulator::Emulator(Reactor& reactor, std::string vendor, std::string with_token)
    : token(std::move(with_token)),
      reactor_(reactor),
      vendor_(std::move(vendor)),
      contract_(contract::Contract::of(vendor_)) {}

void Emulator::on(std::string_view method_and_path, Route route) {
  const auto space = method_and_path.find(' ');
  routes_.push_back({std::string(method_and_path.substr(0, space)),
                     contract::segments_of(method_and_path.substr(space + 1)), std::move(route)});
}

void Emulator::trouble_by_chance(std::uint64_t seed, double probability, std::vector<How> ways) {
  chance_.emplace(seed);
  probability_ = probability;
  ways_ = std::move(ways);
}

void Emulator::leave_in_peace() {
  chance_.reset();
  troubles_.clear();
}

void Emulator::after(Duration duration, std::function<void()> effect) {
  due_.emplace(now() + duration * (now_doing_ == How::Slow ? 5 : 1), std::move(effect));
}

void Emulator::catch_up() {
  while (!due_.empty() && due_.begin()->first <= now()) {
    auto effect = std::move(due_.begin()->second);
    due_.erase(due_.begin());
    effect();
  }
  mend_walls();
}

std::string Emulator::next_address(std::string_view net) {
  ++addresses_;
  return std::string(net) + std::to_string(addresses_ / 250) + "." + std::to_string(addresses_ % 250 + 1);
}

std::string Emulator::switch_on(std::int64_t server, std::int64_t image, const std::string& user_data) {
  if (hardware) {
    watch_hardware(server);
    const std::string address = hardware->start(server, image, user_data);
    walls_.insert_or_assign(server, Wall());  // as a machine starts
    return address;
  }
  // Of the whole system inside, what matters to those outside: whether it turns itself off in the end.
  if (user_data.contains("\npoweroff\n")) {
    after(pace.script, [this, server] {
      if (std::string* status = status_of(server); status && *status == word_for_on()) *status = "off";
    });
  }
  return next_address("203.0.");
}

void Emulator::mend_walls() {
  for (auto known = walls_.begin(); known != walls_.end();) {
    auto& [server, wall] = *known;
    const std::string* status = status_of(server);
    if (!status || *status != word_for_on()) {
      known = walls_.erase(known);
      continue;
    }
    if (Wall wanted = wall_of(server); wanted != wall) {
      hardware->protect(server, wanted);
      wall = std::move(wanted);
    }
    ++known;
  }
}

void Emulator::watch_hardware(std::int64_t server) {
  after(kGlance, [this, server] {
    std::string* status = status_of(server);
    if (!status || *status != word_for_on()) return;
    if (hardware->runs(server)) return watch_hardware(server);
    *status = "off";
  });
}

std::size_t Emulator::calls(std::string_view beginning) const {
  return static_cast<std::size_t>(
      std::count_if(log_.begin(), log_.end(), [&](const auto& call) { return call.starts_with(beginning); }));
}

std::optional<How> Emulator::trouble_of(const std::string& name) {
  for (auto trouble = troubles_.begin(); trouble != troubles_.end(); ++trouble) {
    if (!name.starts_with(trouble->calls)) continue;
    if (trouble->skip-- > 0) continue;
    trouble->skip = 0;
    const How how = trouble->how;
    if (--trouble->times <= 0) troubles_.erase(trouble);
    return how;
  }
  if (chance_ && chance_->unit() < probability_) return ways_[chance_->below(ways_.size())];
  return std::nullopt;
}

Answer Emulator::dispatch(Call& call, std::string_view path) {
  const auto segments = contract::segments_of(path);
  const Routed* best = nullptr;
  std::vector<std::string> captured;
  bool path_known = false;
  for (const auto& routed : routes_) {
    if (routed.segments.size() != segments.size()) continue;
    std::vector<std::string> holes;
    bool fits = true;
    for (std::size_t i = 0; i < segments.size() && fits; ++i) {
      if (routed.segments[i] == "{}") {
        holes.push_back(segments[i]);
      } else {
        fits = routed.segments[i] == segments[i];
      }
    }
    path_known = path_known || fits;
    if (!fits || routed.method != call.method || (best && holes.size() >= captured.size())) continue;
    best = &routed;
    captured = std::move(holes);
  }
  if (!best) return refusal(path_known ? 405 : 404, "not_found", "The resource you were accessing could not be found.");
  call.captured = std::move(captured);
  return best->route(call);
}

std::optional<http::Response> Emulator::exchange(const http::Request& request) {
  catch_up();
  Call call{.method = request.method, .target = target_of(request.url), .captured = {}, .query = {}, .body = {}};
  call.query = contract::query_of(call.target);
  const std::string path = call.target.substr(0, call.target.find('?'));
  const std::string name = request.method + " " + path;
  log_.push_back(name);

  const std::optional<How> how = trouble_of(name);
  if (how == How::LostBefore) return std::nullopt;
  http::Headers limits;
  Answer answer;
  const std::string* authorization = header(request.headers, "authorization");
  if (!count(limits) || how == How::TooMany) {
    over_the_limit_ += how != How::TooMany;
    answer = refusal(429, "rate_limit", "Too many requests.");
    too_many_headers(limits);
  } else if (how == How::Broken) {
    answer = refusal(500, "server_error", "Server Error");
  } else if (!authorization || *authorization != "Bearer " + token) {
    answer = refusal(401, "unauthorized", "Unable to authenticate you");
  } else if (how == How::NoRoom && request.method == "POST") {
    answer = no_room();
  } else {
    try {
      if (!request.body.empty()) call.body = json::parse(request.body);
      now_doing_ = how;
      if (how == How::Twice && request.method == "POST") dispatch(call, path);
      answer = dispatch(call, path);
    } catch (const Error& error) {
      answer = refusal(422, "invalid_input", error.message());
    }
    now_doing_.reset();
    mend_walls();
    if (how == How::WrongTotal) spoil_total(answer.body);
  }
  http::Response response{.status = answer.status, .headers = std::move(limits), .body = {}};
  for (auto& one : answer.headers) response.headers.push_back(std::move(one));
  response.headers.emplace_back(request_id_header(), "request-" + std::to_string(log_.size()));
  if (!answer.body.is_null()) {
    response.headers.emplace_back("Content-Type", "application/json");
    response.body = json::dump(answer.body);
  }
  judge(request, response);
  if (how == How::BadGateway)
    return http::Response{502, {{"Content-Type", "text/html"}}, "<html>502 Bad Gateway</html>"};
  if (how == How::LostAfter) return std::nullopt;
  return response;
}

void Emulator::judge(const http::Request& request, const http::Response& response) {
  if (!contract_) return;
  const contract::Request asked{request.method, target_of(request.url), request.headers, request.body};
  for (const auto& fault : contract_->judge(asked)) {
    // What has no token is refused by both.
    if (response.status == 401) break;
    breaches_.push_back(request.method + " " + asked.target + ": " + fault);
  }
  for (const auto& fault : contract_->judge(asked, {response.status, response.body}))
    breaches_.push_back(request.method + " " + asked.target + ": " + fault);
}

}  // namespace gantry::emulators
