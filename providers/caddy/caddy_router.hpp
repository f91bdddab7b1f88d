// Routes by Caddy, with the relay behind it: see providers/relay/relay.hpp for why there are two.
//
//   folder/apps/UID.json  the routes of one App, as they are served: durable, written once Caddy has accepted them
//   folder/caddy.json     what is rendered from all of them; Caddy starts with it
//   folder/relay.json     the same for the relay
//   folder/*.sock         where the two listen for us and for each other; nobody else may
//
// New rules are tried on the running Caddy before anything is written: it applies a configuration whole or not at all.
// Both processes are instances on the workload host, and go on without us; afterwards they are found again and what
// they serve is compared with the files. One change at a time.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "controller/base/blocking.hpp"
#include "controller/base/signal.hpp"
#include "controller/base/unix_transport.hpp"
#include "providers/caddy/caddy_config.hpp"
#include "providers/local/kept_process.hpp"
#include "providers/router.hpp"
#include "providers/workload_host.hpp"

namespace gantry::providers::caddy {

using local::KeptProcess;
using local::kProxyOwner;

class CaddyRouter final : public Router {
 public:
  struct Options {
    std::string folder;
    int http_port = 80;
    int https_port = 443;
    std::string caddy_program = "caddy";
    std::string relay_program = "$(GANTRY_BINARY)";
    std::string acme_email;
    std::string acme_directory;
    std::string acme_trusted_ca_file;
    // What the relay shows at the ends of tunnels; asked now and then, on a thread that may block. Absent: no tunnel
    // opens.
    std::function<relay::RelayIdentity()> relay_identity = {};
    Duration check_period = std::chrono::seconds(30);
  };
  CaddyRouter(Reactor& reactor, Blocking& blocking, WorkloadHost& host, Options options);
  ~CaddyRouter() override;

  // Reads what is served. Once, after the host was opened and before anything else.
  Task<> open();
  // Both processes go on.
  Task<> close();

  Task<SeenRoutes> observe(std::string app_uid) override;
  Task<> set(AppRoutes routes) override;
  Task<> remove(std::string app_uid) override;
  std::string url_of(const RouteRule& rule) const override;
  std::string rate_limiter() const override;
  // How often Caddy was given a configuration: each is a start of all that it serves.
  int loads() const { return loads_; }
  void on_change(OnChange callback) override { listeners_.push_back(std::move(callback)); }

 private:
  // One change at a time: what is rendered must be what is loaded and written.
  class Turn {
   public:
    explicit Turn(CaddyRouter& router) : router_(router) {}
    ~Turn() { router_.give_turn(); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    CaddyRouter& router_;
  };
  struct Problem {
    std::string hash;
    std::string message;
    std::string held_by;  // the uid of the App that has the route; empty: nobody's, the rules themselves are at fault
  };
  struct Wish;
  using WishPtr = std::shared_ptr<Wish>;

  Task<> take_turn();
  void give_turn();
  Task<> keep(Gate::Pass pass);
  Task<> check_for_ever(Gate::Pass pass);
  Task<bool> bring_up();
  Task<> sync();
  Task<> renew_relay();
  Task<> renew_identity();
  Task<Duration> look_at_tunnels();
  relay::Config relay_config(const AllRoutes& apps) const;
  Task<> end_processes();
  Task<> serve(std::vector<WishPtr> wishes);
  Task<> serve_all(const std::vector<WishPtr>& wishes);
  void put(const Wish& wish, AllRoutes& wanted) const;
  void claim(Wish& wish, AllRoutes& wanted, std::set<std::string>& changed);
  void free_rivals_of(const std::string& uid);
  Task<> write_caddy_file();
  Task<bool> caddy_answers(Duration patience);
  Task<http::Response> ask_caddy(http::Request request);
  Task<> load(const AllRoutes& apps);
  Task<> tell_relay(relay::Config config);
  Task<> write(std::string name, std::string text);
  void look_now();
  bool nobody() const { return apps_.empty() && waiting_.empty(); }
  void tell(const std::string& uid);
  void tell_all();
  CaddyOptions caddy_options() const;
  std::string path(std::string_view name) const;

  Reactor& reactor_;
  Blocking& blocking_;
  WorkloadHost& host_;
  Options options_;
  KeptProcess caddy_;
  KeptProcess relay_;
  http::UnixTransport admin_;
  http::UnixTransport control_;
  AllRoutes apps_;                           // as served
  std::vector<WishPtr> wishes_;              // that wait for their turn
  std::set<std::string> waiting_;            // Apps whose first rules wait for the proxy to come up
  std::map<std::string, Problem> problems_;  // by App: rules that were refused
  std::map<std::string, std::vector<RouteCheck>> checks_;
  relay::RelayIdentity identity_;
  Instant identity_due_{};
  std::string tunnels_seen_;  // how they were
  std::string caddy_seen_;    // the instances that were found to serve what is in the files
  std::string relay_seen_;
  std::string down_;
  int loads_ = 0;
  bool relay_renewed_ = false;  // once for each of us: should it not help, it would not help again
  bool stream_close_delay_ = true;
  bool busy_ = false;
  bool closing_ = false;
  bool must_look_ = false;
  Instant next_sync_{};
  Signal freed_;
  Signal look_;
  Signal check_;
  std::vector<OnChange> listeners_;
  Gate gate_;
};

}  // namespace gantry::providers::caddy
