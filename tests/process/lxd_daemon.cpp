#include "tests/process/lxd_daemon.hpp"

#include <unistd.h>

#include <algorithm>
#include <sstream>
#include <stdexcept>

namespace gantry::process {
namespace {

using namespace std::chrono_literals;

// Busybox, curl, and of the C library what every machine has; its first start asks for an address and then does what
// the user data says, as cloud-init would.
constexpr const char* kMakeImage = R"sh(
set -eu
cd "$1"
mkdir -p rootfs templates
cd rootfs
mkdir -p bin sbin etc proc sys dev tmp run var/lib var/log root lib64 lib/x86_64-linux-gnu usr/bin opt
cp /bin/busybox bin/busybox
for applet in $(busybox --list); do [ $applet = busybox ] || ln -sf /bin/busybox bin/$applet; done
ln -sf /bin/busybox sbin/init
for library in libc.so.6 libm.so.6 libresolv.so.2 libpthread.so.0 libdl.so.2 librt.so.1; do
  cp -L /lib/x86_64-linux-gnu/$library lib/x86_64-linux-gnu/
done
cp -L /lib64/ld-linux-x86-64.so.2 lib64/
# Busybox' own HTTPS does not speak with certificates of elliptic curves.
cp -L "$(command -v curl)" usr/bin/
ldd "$(command -v curl)" | grep -o '/[^ ]*' | while read -r library; do cp -nL "$library" lib/x86_64-linux-gnu/; done
echo 'root:x:0:0:root:/root:/bin/sh' > etc/passwd
echo 'root:x:0:' > etc/group
printf '::sysinit:/etc/rc\n::respawn:/bin/sleep 1000000\n' > etc/inittab
cat > etc/udhcpc <<'END'
#!/bin/sh
case $1 in bound|renew)
  ifconfig $interface $ip netmask $subnet
  [ -z "$router" ] || route add default gw $router ;;
esac
END
cat > etc/rc <<'END'
#!/bin/sh
hostname -F /etc/hostname
ifconfig lo up
ifconfig eth0 up
# Without -n it asks until it is answered, however late whoever answers is up.
udhcpc -i eth0 -s /etc/udhcpc -q -t 5 -T 1 -A 1
sh /etc/user-data > /var/log/user-data.log 2>&1 &
END
chmod +x etc/rc etc/udhcpc
cd ..
echo '{{ config_get("cloud-init.user-data", "") }}' > templates/user-data.tpl
echo '{{ container.name }}' > templates/hostname.tpl
cat > metadata.yaml <<'END'
architecture: x86_64
creation_date: 1760000000
properties: {description: busybox with the C library}
templates:
  /etc/user-data: {when: [create, copy], template: user-data.tpl}
  /etc/hostname: {when: [create, copy], template: hostname.tpl}
END
tar -czf image.tar.gz metadata.yaml templates rootfs
)sh";

// What a distribution would publish. Packages that pull in others by another name than their own are spelled out.
constexpr const char* kMakeDebian = R"sh(
set -eu
folder=$(mktemp -d "$1.XXXXXX")
trap 'rm -rf "$folder"' EXIT
cd "$folder"
debootstrap --variant=minbase --include=systemd-sysv,dbus,udev,ifupdown,isc-dhcp-client,python3-cffi-backend,cloud-init,\
docker.io,iptables,git,curl,ca-certificates,procps,iproute2,netbase bookworm rootfs
rm -rf rootfs/var/cache/apt/archives/*.deb rootfs/var/lib/apt/lists/* rootfs/usr/share/doc rootfs/usr/share/man
mkdir templates
echo '{{ container.name }}' > templates/hostname.tpl
cat > metadata.yaml <<'END'
architecture: x86_64
creation_date: 1760000000
properties: {description: Debian 12 with cloud-init and Docker}
templates:
  /etc/hostname: {when: [create, copy], template: hostname.tpl}
END
tar -cf image.tar metadata.yaml templates rootfs
mv image.tar "$1"
)sh";

}  // namespace

std::string LxdDaemon::missing() {
  if (::geteuid() != 0) return "a hypervisor needs root";
  for (const char* program : {"lxd", "dnsmasq", "busybox", "curl", "iptables-save", "unsquashfs"}) {
    if (!have(program)) return std::string(program) + " is not installed";
  }
  return {};
}

LxdDaemon::LxdDaemon() {
  const int number = ::getpid();
  bridge_ = "gantry" + std::to_string(number % 100000);
  const std::string net = "10." + std::to_string(100 + number % 100) + "." + std::to_string(number / 100 % 250) + ".";
  host_address_ = net + "1";
  const std::string data = folder_ / "lxd";
  run({"mkdir", "-p", data});
  run({"chmod", "711", folder_.path()});  // a container's root is nobody here, and has to get through
  daemon_ = std::make_unique<Background>(std::vector<std::string>{"lxd", "--group", "root"}, folder_ / "lxd.log",
                                         std::map<std::string, std::string>{{"LXD_DIR", data}});
  if (!comes_up()) return;
  // To squeeze an image takes longer than all the rest.
  call("PATCH", "/1.0", R"({"config":{"images.compression_algorithm":"none"}})");
  call("POST", "/1.0/storage-pools", R"({"name":"pool","driver":"dir"})");
  call("POST", "/1.0/networks",
       R"({"name":")" + bridge_ + R"(","config":{"ipv4.address":")" + host_address_ +
           R"(/24","ipv4.nat":"false","ipv6.address":"none"}})");
  call("PUT", "/1.0/profiles/default",
       R"({"devices":{"root":{"type":"disk","path":"/","pool":"pool"},"eth0":{"type":"nic","name":"eth0","network":")" +
           bridge_ + R"("}}})");
  import_image();
  try_a_container();
}

// What ends by itself cannot work here (a kernel without something, a root that is none); what hangs is a fault.
bool LxdDaemon::comes_up() {
  bool answers = false;
  const bool decided = eventually(
      [&] {
        answers = run({"curl", "-sf", "--unix-socket", socket(), "http://lxd/1.0"}).exit_code == 0;
        return answers || !daemon_->alive();
      },
      60s);
  if (!decided) throw std::runtime_error("lxd does not come up: " + read(folder_ / "lxd.log"));
  if (!answers) trouble_ = "lxd ended: " + read(folder_ / "lxd.log");
  return answers;
}

void LxdDaemon::try_a_container() {
  const std::string probe = "/1.0/instances/probe";
  call("POST", "/1.0/instances", R"({"name":"probe","source":{"type":"image","alias":"busybox"}})");
  const json::Value started = call("PUT", probe + "/state", R"({"action":"start","timeout":30})");
  const json::Value state = call("GET", probe + "/state");
  if (!state.is_object() || state.string_or("status") != "Running")
    trouble_ = "lxd starts no container here: " + (started.is_object() ? started.string_or("err") : "no answer");
  call("PUT", probe + "/state", R"({"action":"stop","force":true,"timeout":0})");
  call("DELETE", probe);
}

LxdDaemon::~LxdDaemon() {
  for (const auto& name : instances()) {
    call("PUT", "/1.0/instances/" + name + "/state", R"({"action":"stop","force":true,"timeout":0})");
    call("DELETE", "/1.0/instances/" + name);
  }
  call("PUT", "/1.0/profiles/default", R"({"devices":{}})");
  const json::Value images = call("GET", "/1.0/images");
  if (images.is_array()) {
    for (const auto& path : images.as_array()) call("DELETE", path.as_string());
  }
  call("DELETE", "/1.0/networks/" + bridge_);
  call("DELETE", "/1.0/storage-pools/pool");
  daemon_->stop();
  remove_rules();
  // What the daemon mounts for itself goes with it, but not always at once.
  for (const char* mount : {"lxd/devlxd", "lxd/shmounts", "lxd/guestapi"}) run({"umount", "-l", folder_ / mount});
}

// It removes its bridge and leaves the bridge's rules.
void LxdDaemon::remove_rules() const {
  for (const char* table : {"filter", "nat", "mangle"}) {
    std::istringstream rules(run({"iptables-save", "-t", table}).out);
    for (std::string rule; std::getline(rules, rule);) {
      if (!rule.starts_with("-A") || rule.find(" " + bridge_ + " ") == std::string::npos) continue;
      run({"sh", "-c", "iptables -t " + std::string(table) + " -D" + rule.substr(2)});
    }
  }
}

json::Value LxdDaemon::call(const std::string& method, const std::string& path, const std::string& body) const {
  std::vector<std::string> command{"curl", "-s", "--unix-socket", socket(), "-X", method, "http://lxd" + path};
  if (!body.empty()) command.insert(command.end(), {"--data-binary", body});
  const std::string out = run(command).out;
  if (out.empty()) return {};
  json::Value answer = json::parse(out);
  if (const std::string operation = answer.string_or("operation"); !operation.empty()) {
    const Outcome waited =
        run({"curl", "-s", "--unix-socket", socket(), "http://lxd" + operation + "/wait?timeout=30"});
    if (!waited.out.empty()) answer = json::parse(waited.out);
  }
  const json::Value* metadata = answer.find("metadata");
  return metadata ? *metadata : json::Value();
}

void LxdDaemon::import_image() const {
  const std::string folder = folder_ / "image";
  write(folder_ / "make-image", kMakeImage);
  run({"mkdir", "-p", folder});
  const Outcome made = run({"sh", folder_ / "make-image", folder});
  if (made.exit_code != 0) throw std::runtime_error("the image cannot be made: " + made.err);
  import(folder + "/image.tar.gz", "busybox");
}

std::string LxdDaemon::add_debian() {
  if (!have("debootstrap")) return "debootstrap is not installed";
  const std::string image = GANTRY_BINARY_DIR "/tests/debian-12.tar";
  if (run({"test", "-s", image}).exit_code != 0) {
    const Outcome made = run({"sh", "-c", kMakeDebian, "sh", image}, {}, {}, 600s);
    if (made.exit_code != 0) return "debootstrap cannot make a Debian here: " + made.out + made.err;
  }
  import(image, "debian-12");
  call("PATCH", "/1.0/profiles/default", R"({"config":{"security.nesting":"true"}})");
  return {};
}

void LxdDaemon::import(const std::string& file, const std::string& alias) const {
  const json::Value image = call("POST", "/1.0/images", "@" + file);
  const json::Value* fingerprint = image.at({"metadata", "fingerprint"});
  if (!fingerprint || !fingerprint->is_string())
    throw std::runtime_error("the image " + file + " was not imported: " + json::dump(image));
  call("POST", "/1.0/images/aliases", json::dump(json::Object{{"name", alias}, {"target", fingerprint->as_string()}}));
}

std::vector<std::string> LxdDaemon::instances() const {
  std::vector<std::string> names;
  const json::Value list = call("GET", "/1.0/instances");
  if (!list.is_array()) return names;
  for (const auto& path : list.as_array()) names.push_back(path.as_string().substr(path.as_string().rfind('/') + 1));
  std::ranges::sort(names);
  return names;
}

std::size_t LxdDaemon::images_of_ours() const {
  const json::Value list = call("GET", "/1.0/images?recursion=1");
  if (!list.is_array()) return 0;
  return static_cast<std::size_t>(std::ranges::count_if(
      list.as_array(), [](const json::Value& image) { return image.at({"properties", "gantry-uid"}) != nullptr; }));
}

std::string LxdDaemon::read_file(const std::string& instance, const std::string& path) const {
  const Outcome got =
      run({"curl", "-sf", "--unix-socket", socket(), "http://lxd/1.0/instances/" + instance + "/files?path=" + path});
  return got.exit_code == 0 ? got.out : "";
}

}  // namespace gantry::process
