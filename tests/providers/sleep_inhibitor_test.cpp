// Goal: this machine is kept awake for exactly as long as it is held, and who cannot keep it so says why. Method: a
// program in systemd-inhibit's place that takes the same words and runs what it is given.
#include "providers/local/sleep_inhibitor.hpp"

#include <csignal>

#include "tests/providers/machine.hpp"

namespace gantry::providers::local {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class SleepInhibitorTest : public testing::Test {
 protected:
  // Writes its words and its pid down, then does what comes after the words.
  std::string program(const std::string& then) {
    dir.write("inhibit",
              "#!/bin/sh\necho \"$@\" > " + (dir / "words") + "\necho $$ > " + (dir / "pid") +
                  "\nwhile [ \"${1#--}\" != \"$1\" ]; do shift; done\n" + then + "\n",
              0755);
    return dir / "inhibit";
  }
  std::string problem_of(std::vector<std::string> programs) {
    SleepInhibitor inhibitor(std::move(programs), std::chrono::seconds(20));
    try {
      inhibitor.hold("Apps run here");
    } catch (const Error& error) {
      EXPECT_FALSE(inhibitor.held());
      return error.message();
    }
    return "(no error)";
  }
  bool lives() const { return ::kill(std::atoi(dir.read("pid").c_str()), 0) == 0; }

  Folder dir;
};

TEST_F(SleepInhibitorTest, IsHeldUntilItIsReleased) {
  SleepInhibitor inhibitor({"/nowhere/systemd-inhibit", program("exec \"$@\"")});
  EXPECT_FALSE(inhibitor.held());
  inhibitor.hold("Apps run here");
  EXPECT_TRUE(inhibitor.held());
  EXPECT_THAT(dir.read("words"), AllOf(HasSubstr("--what=sleep:idle:handle-lid-switch"), HasSubstr("--mode=block"),
                                       HasSubstr("--why=Apps run here")));
  EXPECT_TRUE(lives());
  const std::string first = dir.read("pid");
  inhibitor.hold("Apps run here");
  EXPECT_EQ(dir.read("pid"), first) << "held once";
  inhibitor.release();
  EXPECT_FALSE(inhibitor.held());
  EXPECT_FALSE(lives());
}

TEST_F(SleepInhibitorTest, WhoeverEndsTheHolderEndsItAndItCanBeTakenAgain) {
  SleepInhibitor inhibitor({program("exec \"$@\"")});
  inhibitor.hold("Apps run here");
  const pid_t holder = std::atoi(dir.read("pid").c_str());
  ::kill(holder, SIGKILL);
  Machine machine;
  EXPECT_TRUE(machine.until([&] { return !inhibitor.held(); }));
  inhibitor.hold("Apps run here");
  EXPECT_TRUE(inhibitor.held());
}

TEST_F(SleepInhibitorTest, SaysWhyItCannotBeHeld) {
  EXPECT_THAT(problem_of({"/nowhere/systemd-inhibit", "/nowhere/elogind-inhibit"}),
              HasSubstr("there is no /nowhere/systemd-inhibit here"));
  EXPECT_THAT(problem_of({program("echo 'Failed to inhibit: Access denied' >&2; exit 1")}),
              HasSubstr("Failed to inhibit: Access denied"));
}

}  // namespace
}  // namespace gantry::providers::local
