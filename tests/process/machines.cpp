#include "tests/process/machines.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <sstream>

#include "tests/process/saved_image.hpp"

namespace gantry::process {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

// What a vendor delivers: the least of a system that finds the programs of this machine.
constexpr const char* kMakeDisk = R"sh(
set -eu
mkdir -p "$1" && cd "$1"
mkdir -p etc var/lib/cloud var/lib/docker var/log opt root run tmp proc sys dev mnt home
chmod 1777 tmp
ln -s /run var/run
for name in passwd group nsswitch.conf ld.so.cache ld.so.conf ld.so.conf.d ssl ca-certificates alternatives protocols services resolv.conf; do
  if [ -e /etc/$name ]; then cp -a /etc/$name etc/; fi
done
echo '127.0.0.1 localhost' > etc/hosts
for folder in bin sbin lib lib64; do
  if [ -L /$folder ]; then cp -a /$folder .; elif [ -d /$folder ]; then mkdir $folder; fi
done
mkdir usr
)sh";

// From the test's namespaces into the machine's: its disk becomes the root, with the programs of this machine in it.
constexpr const char* kEnter = R"sh(
set -eu
root=$1
mount --bind "$root" "$root"
for folder in usr bin sbin lib lib64; do
  if [ -d /$folder ] && [ ! -L /$folder ]; then mount --rbind /$folder "$root/$folder"; fi
done
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount --rbind /sys/fs/cgroup "$root/sys/fs/cgroup"
mount --rbind /dev "$root/dev"
for folder in run tmp var/lib/docker; do mount -t tmpfs tmpfs "$root/$folder"; done
mount --bind "$2" "$root/mnt"
cd "$root"
mount --move . /
exec chroot . /bin/sh /mnt/init
)sh";

// The first process of a machine; when it ends, so does everything there.
constexpr const char* kInit = R"sh(
export PATH=/mnt:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
trap 'exit 0' USR1
if grep -qsx docker.io /var/lib/packages; then
  dockerd --host unix:///run/docker.sock --data-root /var/lib/docker --exec-root /run/docker \
    --pidfile /run/docker.pid > /var/log/docker.log 2>&1 &
  tries=0
  until curl -sf --unix-socket /run/docker.sock http://docker/_ping > /dev/null || [ $tries -ge 300 ]; do
    tries=$((tries + 1)); sleep 0.2
  done
  curl -s --unix-socket /run/docker.sock -X POST -H 'Content-Type: application/x-tar' --data-binary @/mnt/image.tar \
    http://docker/images/load > /var/log/image.log
fi
sh /var/lib/cloud/user-data > /var/log/user-data.log 2>&1 &
while :; do sleep 1000 & wait $!; done
)sh";

constexpr const char* kAptGet = R"sh(#!/bin/sh
[ "$1" = install ] || exit 0
for word; do
  case $word in -*|install) ;; *) echo "$word" >> /var/lib/packages ;; esac
done
)sh";

void write_program(const std::string& path, const std::string& text) {
  write(path, text);
  ::chmod(path.c_str(), 0755);
}

}  // namespace

Machines::Machines() {
  const auto demand = [&](const std::string& script, const std::vector<std::string>& arguments) {
    std::vector<std::string> command{"sh", "-c", script, "sh"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    const Outcome outcome = run(command);
    if (outcome.exit_code != 0 && problem_.empty()) problem_ = "machines cannot be made here: " + outcome.err;
  };
  if (::geteuid() != 0) problem_ = "machines of one's own need root";
  for (const char* program : {"ip", "unshare", "nsenter", "setpriv", "dockerd", "curl", "tar", "iptables-restore"}) {
    if (problem_.empty() && !have(program)) problem_ = std::string(program) + " is not installed";
  }
  if (!problem_.empty()) return;
  fs::create_directories(folder_ / "disks");
  fs::create_directories(folder_ / "images");
  demand(kMakeDisk, {image_disk(0)});
  write(folder_ / "enter", kEnter);
  write(folder_ / "programs/init", kInit);
  write_program(folder_ / "programs/apt-get", kAptGet);
  write_program(folder_ / "programs/poweroff", "#!/bin/sh\nkill -USR1 1\n");
  if (const auto why = save_image(folder_ / "programs/image.tar"); !why.empty()) problem_ = why;
  // Names of networks are seen by this test alone.
  demand(
      "mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns && ip link add machines type bridge && "
      "ip addr add " +
          host_address() + "/24 dev machines && ip link set machines up",
      {});
}

Machines::~Machines() {
  std::vector<std::int64_t> all;
  for (const auto& [server, machine] : machines_) all.push_back(server);
  for (const auto server : all) remove(server);
  if (problem_.empty()) run({"sh", "-c", "ip link del machines; umount /run/netns"});
}

std::string Machines::trouble(Needs needs) {
  if (!problem_.empty() || needs == Needs::Nothing) return problem_;
  constexpr std::int64_t kTrial = 1;
  fs::copy(image_disk(0), image_disk(kTrial), fs::copy_options::recursive | fs::copy_options::copy_symlinks);
  write(image_disk(kTrial) + "/var/lib/packages", "docker.io\n");
  start(kTrial, kTrial,
        "curl -sf --unix-socket /run/docker.sock http://docker/images/nginx:1.27/json > /var/lib/seen; poweroff\n");
  const bool over = eventually([&] { return !runs(kTrial); }, 120s);
  if (!over || read(disk(kTrial) + "/var/lib/seen").empty()) problem_ = "no Docker runs in a machine here: " + logs();
  remove(kTrial);
  remove_image(kTrial);
  return problem_;
}

std::string Machines::start(std::int64_t server, std::int64_t image, const std::string& user_data) {
  const std::lock_guard lock(mutex_);
  Machine& machine = machines_[server];
  if (machine.address.empty()) {
    machine.address = "10.77.0." + std::to_string(++addresses_);
    const std::string from = fs::exists(image_disk(image)) ? image_disk(image) : image_disk(0);
    run({"cp", "-a", from, disk(server)});
    write(disk(server) + "/var/lib/cloud/user-data", user_data);
  }
  const std::string name = network(server);
  const std::string outside = "v" + std::to_string(server);
  const Outcome wired =
      run({"sh", "-ec",
           "ip netns add " + name + "\nip link add " + outside + " type veth peer name eth0 netns " + name +
               "\nip link set " + outside + " master machines up\nip -n " + name + " addr add " + machine.address +
               "/24 dev eth0\nip -n " + name + " link set lo up\nip -n " + name + " link set eth0 up\nip -n " + name +
               " route add default via " + host_address()});
  if (wired.exit_code != 0) write(disk(server) + "/var/log/network.log", wired.err);
  machine.process = std::make_unique<Background>(
      // However the test ends, its machines end with it.
      std::vector<std::string>{"setpriv", "--pdeathsig", "KILL", "nsenter", "--net=/run/netns/" + name, "unshare",
                               "--mount", "--pid", "--fork", "--kill-child", "sh", folder_ / "enter", disk(server),
                               folder_ / "programs"},
      folder_ / ("console-" + std::to_string(server)));
  return machine.address;
}

bool Machines::runs(std::int64_t server) {
  const std::lock_guard lock(mutex_);
  const auto found = machines_.find(server);
  return found != machines_.end() && found->second.process && found->second.process->alive();
}

void Machines::stop(std::int64_t server) {
  const std::lock_guard lock(mutex_);
  const auto found = machines_.find(server);
  if (found == machines_.end() || !found->second.process) return;
  found->second.process->stop(SIGKILL);
  found->second.process.reset();
  run({"ip", "netns", "del", network(server)});
  run({"ip", "link", "del", "v" + std::to_string(server)});
}

void Machines::remove(std::int64_t server) {
  stop(server);
  const std::lock_guard lock(mutex_);
  if (machines_.erase(server) == 0) return;
  std::error_code ignored;
  fs::remove_all(disk(server), ignored);
}

void Machines::keep_image(std::int64_t server, std::int64_t image) {
  run({"cp", "-a", disk(server), image_disk(image)});
  std::error_code ignored;
  fs::remove(image_disk(image) + "/var/lib/cloud/user-data", ignored);
}

void Machines::remove_image(std::int64_t image) {
  std::error_code ignored;
  if (image != 0) fs::remove_all(image_disk(image), ignored);
}

// Before the machine's own rules and translations, Docker's among them; what was let in once goes on.
void Machines::protect(std::int64_t server, const emulators::Wall& wall) {
  std::string rules = "*mangle\n:PREROUTING ACCEPT [0:0]\n:wall - [0:0]\n";
  if (wall) {
    rules +=
        "-A PREROUTING -i eth0 -j wall\n"
        "-A wall -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT\n";
    for (const auto& opening : *wall) {
      for (const auto& from : opening.from) {
        if (from.find(':') != std::string::npos) continue;  // there is no IPv6 here
        rules += "-A wall -s " + from + " -p " + opening.protocol;
        if (opening.first_port > 0)
          rules += " --dport " + std::to_string(opening.first_port) + ":" + std::to_string(opening.last_port);
        rules += " -j ACCEPT\n";
      }
    }
    rules += "-A wall -j DROP\n";
  }
  const std::string file = folder_ / ("wall-" + std::to_string(server));
  write(file, rules + "COMMIT\n");
  const Outcome set = run({"nsenter", "--net=/run/netns/" + network(server), "iptables-restore", file});
  if (set.exit_code != 0) write(disk(server) + "/var/log/network.log", set.err);
}

std::size_t Machines::running() {
  const std::lock_guard lock(mutex_);
  std::size_t count = 0;
  for (auto& [server, machine] : machines_) count += machine.process && machine.process->alive();
  return count;
}

std::vector<std::string> Machines::packages(std::int64_t server) {
  std::vector<std::string> all;
  std::istringstream lines(read(disk(server) + "/var/lib/packages"));
  for (std::string line; std::getline(lines, line);) all.push_back(line);
  return all;
}

std::string Machines::logs() {
  std::vector<std::int64_t> all;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& [server, machine] : machines_) all.push_back(server);
  }
  std::string text;
  for (const auto server : all) {
    text += "---- machine " + std::to_string(server) + "\n" + read(folder_ / ("console-" + std::to_string(server)));
    for (const char* file : {"network.log", "user-data.log", "docker.log", "image.log", "gantry-agent.log"}) {
      const std::string log = read(disk(server) + "/var/log/" + file);
      if (!log.empty()) text += std::string(file) + ":\n" + log.substr(log.size() > 4000 ? log.size() - 4000 : 0);
    }
  }
  return text;
}

}  // namespace gantry::process
