// Goal: what a new machine is told can be run by it. Method: scripts are given to this machine's own sh, to be read or,
// where they are harmless, run.
#include "reconcilers/provider/user_data.hpp"

#include <gmock/gmock.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>

#include "controller/base/error.hpp"
#include "reconcilers/server/cloud_plan.hpp"

namespace gantry::reconcilers::provider {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

// What sh says to the script; with -n it only reads it.
std::string sh(const std::string& script, const std::string& flags) {
  std::array<char, 32> name{"/tmp/gantry-test-XXXXXX"};
  ::close(::mkstemp(name.data()));
  std::ofstream(name.data()) << script;
  std::FILE* pipe = ::popen(("sh " + flags + " " + name.data() + " 2>&1").c_str(), "r");
  std::string out;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) out += static_cast<char>(c);
  if (::pclose(pipe) != 0) out += "(failed)";
  ::unlink(name.data());
  return out;
}

AgentSetup setup() {
  return {{"https://10.0.0.1:6443/agent/abc.tar.gz", "abc", "1.2.3", false, {}},
          9999,
          false,
          Secret("it's a key"),
          "CERT",
          Secret("PRIVATE")};
}

TEST(UserData, EveryScriptIsOneThatAShellCanRead) {
  AgentSetup plain = setup();
  plain.http = true;
  AgentSetup baked = setup();
  baked.source = {};
  for (const auto& script :
       {report_script("https://10.0.0.1:6443/agent/builds/abc"), agent_script(setup()), agent_script(plain),
        agent_script(baked), builder_script({}, {}), builder_script({"git", "docker.io"}, setup().source),
        ssh_keys_script({"ssh-ed25519 AAAA it's me"}),
        merge_user_data({ssh_keys_script({"ssh-ed25519 AAAA"}), agent_script(setup()), "#!/bin/sh\necho hello"})}) {
    EXPECT_THAT(script, StartsWith("#!/bin/sh\n"));
    EXPECT_EQ(sh(script, "-n"), "") << script;
  }
}

TEST(UserData, ScriptsAreJoinedSoThatNoneGoesOnWhereOneHasFailed) {
  EXPECT_EQ(merge_user_data({"", "#!/bin/sh\necho one", ""}), "#!/bin/sh\necho one");
  EXPECT_EQ(sh(merge_user_data({"#!/bin/sh\nX=1\necho one", "#!/bin/sh\necho two${X:-}"}), ""), "one\ntwo\n");
  EXPECT_EQ(sh(merge_user_data({"#!/bin/sh\nfalse\n", "#!/bin/sh\necho never"}), ""), "(failed)")
      << "a builder that goes off has built everything";
}

TEST(UserData, AnythingElseOfCloudInitTravelsInItsArchive) {
  const std::string mime = merge_user_data({agent_script(setup()), "#cloud-config\npackages: [git]\n"});
  EXPECT_THAT(mime, StartsWith("Content-Type: multipart/mixed; boundary="));
  EXPECT_THAT(mime, HasSubstr("Content-Type: text/x-shellscript; charset=\"utf-8\"\n"));
  EXPECT_THAT(mime,
              HasSubstr("Content-Type: text/cloud-config; charset=\"utf-8\"\n\n#cloud-config\npackages: [git]\n"));
  EXPECT_THROW(merge_user_data({agent_script(setup()), "hello"}), Error);
  EXPECT_THROW(merge_user_data({agent_script(setup()), "#cloud-config\n# --==gantry-user-data==\n"}), Error);
}

// cloud-init runs the scripts of the archive and "runcmd" of cloud-config in the order of their names.
TEST(UserData, ScriptsOfTheArchiveRunInTheOrderGiven) {
  const std::string config = "#cloud-config\nruncmd: [[true]]\n";
  const auto names = [](const std::string& mime) {
    std::vector<std::string> all{"runcmd"};
    for (std::size_t at = 0; (at = mime.find("filename=\"", at)) != std::string::npos;) {
      at += 10;
      all.push_back(mime.substr(at, mime.find('"', at) - at));
    }
    std::ranges::sort(all);
    return all;
  };
  EXPECT_THAT(names(merge_user_data({agent_script(setup()), config})), ElementsAre("00-gantry-00", "runcmd"));
  EXPECT_THAT(names(merge_user_data({config, builder_script({}, {})})), ElementsAre("runcmd", "zz-gantry-01"))
      << "a builder that went off before runcmd would make an image without what that does";
  EXPECT_THAT(names(merge_user_data({"#!/bin/bash\n", agent_script(setup()), config, builder_script({}, {})})),
              ElementsAre("00-gantry-00", "00-gantry-01", "runcmd", "zz-gantry-03"));
}

crds::ServerSpec with_rule(const std::string& ports, std::vector<std::string> from, bool agent = false) {
  crds::ServerSpec spec;
  spec.agent.enabled = agent;
  spec.firewall = crds::Firewall{{crds::FirewallRule{ports, crds::FirewallProtocol::Tcp, std::move(from)}}};
  return spec;
}

TEST(FirewallRules, AreWrittenAsProvidersCompareThem) {
  using providers::FirewallRule;
  EXPECT_THAT(server::firewall_rules(with_rule("443,80,8000-8010", {"10.0.0.5", "0.0.0.0/0", "fd00::1"})),
              ElementsAre(FirewallRule{"tcp", 80, 80, {"0.0.0.0/0", "10.0.0.5/32", "fd00::1/128"}},
                          FirewallRule{"tcp", 443, 443, {"0.0.0.0/0", "10.0.0.5/32", "fd00::1/128"}},
                          FirewallRule{"tcp", 8000, 8010, {"0.0.0.0/0", "10.0.0.5/32", "fd00::1/128"}}));
  EXPECT_THAT(server::firewall_rules(with_rule("", {"0.0.0.0/0"})),
              ElementsAre(FirewallRule{"tcp", 1, 65535, {"0.0.0.0/0"}}));
  EXPECT_THAT(server::firewall_rules(with_rule("22", {}, true)),
              ElementsAre(FirewallRule{"tcp", 9999, 9999, {"0.0.0.0/0", "::/0"}},
                          FirewallRule{"tcp", 10000, 10000, {"0.0.0.0/0", "::/0"}}))
      << "the agent and its tunnel are reached, whatever else is not";
  crds::ServerSpec plain = with_rule("22", {}, true);
  plain.agent.http = true;
  EXPECT_THAT(server::firewall_rules(plain), ElementsAre(FirewallRule{"tcp", 9999, 9999, {"0.0.0.0/0", "::/0"}}))
      << "an agent without certificates has no tunnel";
  for (const char* bad : {"0", "65536", "80-79", "99999999999"})
    EXPECT_THROW(server::firewall_rules(with_rule(bad, {"0.0.0.0/0"})), Error) << bad;
}

}  // namespace
}  // namespace gantry::reconcilers::provider
