#include "providers/agent/wire.hpp"

#include <gmock/gmock.h>

#include "providers/host_directory.hpp"

namespace gantry::providers::agent {
namespace {

using testing::HasSubstr;

TEST(AgentKey, IsDerivedAsTheOldAgentsWere) {
  EXPECT_EQ(derived_agent_key("dop_v1_test", "42"), "e21f20fbce845189dee86d1c586f200e");
  EXPECT_EQ(derived_agent_key("dop_v1_test", "user-1"), "ea53868742b45ae19ed001c8334939ff");
  EXPECT_EQ(derived_agent_key("tok", "7"), "836ccd87a836c696dd59eee381331527");
}

TEST(AgentWire, CarriesASpecWholeButForWhatIsTheSendersBusiness) {
  InstanceSpec spec;
  spec.id = "web-1-0-0";
  spec.owner_uid = "uid";
  spec.owner_namespace = "prod";
  spec.owner_name = "web";
  spec.release = "web-1";
  spec.slot = 3;
  spec.config_hash = "h";
  spec.command = {"sh", "-c", "echo \"a b\" \xC3\xA9"};
  spec.code_folder = "/data/releases/abc";
  spec.code_digest = "sha256:abc";
  spec.working_directory = "/data/releases/abc/server";
  spec.env = {{"B", Secret("2")}, {"A", Secret("$(B)")}};
  spec.ports = {{.name = "http", .port = 80, .host_port = 8080, .fixed = true, .protocol = "UDP"}};
  spec.volumes = {{"data", "/data", "", true}};
  spec.cpu_millis = 500;
  spec.memory_bytes = 64 << 20;
  spec.stop_grace = std::chrono::milliseconds(1500);
  spec.server = "prod/web-1";
  const InstanceSpec read = spec_from(json::parse(json::dump(to_json(spec))));
  EXPECT_EQ(read.command, spec.command);
  EXPECT_EQ(read.working_directory, "server");
  EXPECT_EQ(read.code_digest, "sha256:abc");
  EXPECT_EQ(read.server, "");
  EXPECT_EQ(read.stop_grace, spec.stop_grace);
  EXPECT_EQ(read.env[0].first, "B");
  EXPECT_EQ(read.env[1].second.reveal(), "$(B)");
  EXPECT_EQ(read.volumes[0].mount_path, "/data");
  EXPECT_EQ(json::dump(to_json(read)), [&] {
    spec.working_directory = "server";
    return json::dump(to_json(spec));
  }());
}

TEST(AgentWire, CarriesAnInstanceWhole) {
  Instance it;
  it.id = "a-1";
  it.owner_uid = "uid";
  it.state = Instance::State::Exited;
  it.runtime = InstanceSpec::Runtime::Docker;
  it.exit_code = 137;
  it.exit_reason = "out of memory";
  it.started = parse_time("2026-11-21T10:00:00.123456Z");
  it.ports = {{.name = "http", .port = 80, .host_port = 20000}};
  const Instance read = instance_from(json::parse(json::dump(to_json(it))));
  EXPECT_EQ(json::dump(to_json(read)), json::dump(to_json(it)));
  EXPECT_EQ(read.started, it.started);
  EXPECT_EQ(read.finished, WallTime{});
}

TEST(AgentWire, OpensTheEnvelope) {
  EXPECT_EQ(open_envelope("web-1", 200, success({{"a", 1}})).int_or("a", 0), 1);
  Error cause(ErrorCode::AlreadyExists, "it is there");
  cause.retry_after = std::chrono::milliseconds(1500);
  try {
    open_envelope("web-1", 409, failure(cause));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::AlreadyExists);
    EXPECT_EQ(error.message(), "web-1: it is there");
    EXPECT_EQ(error.retry_after, std::chrono::milliseconds(1500));
  }
}

TEST(AgentWire, DoesNotTakeAnybodyForAnAgent) {
  for (const auto* body :
       {"<html>Welcome</html>", "{}", "[]", "", R"({"success":"yes"})", R"({"success":true,"data":[]})"}) {
    try {
      open_envelope("web-1", 200, body);
      FAIL() << body;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::Unavailable);
      EXPECT_THAT(error.message(), HasSubstr("not as an agent does"));
    }
  }
}

}  // namespace
}  // namespace gantry::providers::agent
