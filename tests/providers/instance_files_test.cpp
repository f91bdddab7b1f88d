#include "providers/local/instance_files.hpp"

#include <gmock/gmock.h>

#include "controller/base/error.hpp"

namespace gantry::providers::local {
namespace {

TEST(InstanceFiles, ALaunchComesBackAsItWasWhateverItsBytes) {
  Launch launch;
  launch.program = "/bin/sh";
  launch.argv = {"sh", "-c", "echo a=b\nc", "", "\xff\xfe"};
  launch.env = {"A=b=c", "EMPTY=", "NEWLINE=a\nb"};
  launch.working_directory = "/srv/with space";
  launch.stop_grace = std::chrono::milliseconds(1500);
  launch.log_bytes_max = 1234;
  launch.cgroup = {{"/a", "/b"}, "/a/cgroup.kill", "/b/memory.events"};
  const Launch back = decode_launch(encode(launch));
  EXPECT_EQ(back.program, launch.program);
  EXPECT_EQ(back.argv, launch.argv);
  EXPECT_EQ(back.env, launch.env);
  EXPECT_EQ(back.working_directory, launch.working_directory);
  EXPECT_EQ(back.stop_grace, launch.stop_grace);
  EXPECT_EQ(back.log_bytes_max, launch.log_bytes_max);
  EXPECT_EQ(back.cgroup, launch.cgroup);
}

TEST(InstanceFiles, ALaunchThatWasCutOffAnywhereIsNotHalfBelieved) {
  Launch launch;
  launch.program = "/bin/rm";
  launch.argv = {"rm", "-r", "/srv/app/cache"};
  const std::string whole = encode(launch);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    EXPECT_THROW(decode_launch(whole.substr(0, length)), Error) << length;
  }
}

TEST(InstanceFiles, AStateAndAnIntentComeBack) {
  State state;
  state.phase = State::Phase::Exited;
  state.boot_id = "boot";
  state.process = {42, 777};
  state.started = parse_time("2026-11-21T10:00:00.123456Z");
  state.finished = parse_time("2026-11-21T10:00:01Z");
  state.exit_code = 137;
  state.reason = "out of memory";
  const State back = decode_state(encode(state));
  EXPECT_EQ(back.phase, state.phase);
  EXPECT_EQ(back.process, state.process);
  EXPECT_EQ(back.started, state.started);
  EXPECT_EQ(back.reason, state.reason);

  Intent intent;
  intent.instance.id = "web-1-0-0";
  intent.instance.ports = {{.name = "http", .port = 80, .host_port = 20000, .fixed = true, .protocol = "UDP"}};
  const Intent again = decode_intent(encode(intent));
  EXPECT_EQ(again.instance.ports.at(0).host_port, 20000);
  EXPECT_TRUE(again.instance.ports.at(0).fixed);
  EXPECT_EQ(again.instance.ports.at(0).protocol, "UDP");
}

TEST(InstanceFiles, AnIdIsAPlainName) {
  EXPECT_NO_THROW(check_instance_id("1a2b3c4d-12-0-3"));
  for (const auto* bad : {"", "..", "a/b", "A", "-a", ".new-a", "a b"})
    EXPECT_THROW(check_instance_id(bad), Error) << bad;
}

}  // namespace
}  // namespace gantry::providers::local
