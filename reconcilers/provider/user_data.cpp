#include "reconcilers/provider/user_data.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "controller/base/error.hpp"

namespace gantry::reconcilers::provider {
namespace {

constexpr std::string_view kShell = "#!/bin/sh\n";
constexpr std::string_view kBoundary = "==gantry-user-data==";

// Whether cloud-init, which goes on after errors, has noted one of a module that does what a Snapshot asks for; and
// which. Its result is written last of all; `cloud-init status --wait` comes back at the first error of any module.
constexpr std::string_view kFailed = R"(failed() {
  modules='scripts.user|runcmd|bootcmd|package.update.upgrade.install|apt.configure|write.files|users.groups'
  until [ -e /run/cloud-init/result.json ]; do sleep 1; done
  grep -E "\('($modules)'" /run/cloud-init/result.json
}
)";

// A builder's end. What makes one machine different from another must not be in an image. Where cloud-init does it all,
// it goes on to its end first, and the machine stays on if something has failed.
constexpr std::string_view kFinish = R"(if [ -e /run/cloud-init/status.json ] && failed; then
  echo 'what this machine was to be has failed: no image is made of it' >&2
  exit 1
fi
if command -v cloud-init >/dev/null; then cloud-init clean --logs; fi
rm -f /etc/ssh/ssh_host_*_key /etc/ssh/ssh_host_*_key.pub
if [ -s /etc/machine-id ]; then : > /etc/machine-id; fi
sync
poweroff
)";
constexpr std::string_view kThenFinish = R"(chmod 700 /run/gantry-finish
if [ -e /run/cloud-init/status.json ]; then
  setsid /run/gantry-finish </dev/null >>/var/log/gantry-finish.log 2>&1 &
else
  /run/gantry-finish
fi
)";
std::string quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'') {
      out += "'\\''";
    } else {
      out += c;
    }
  }
  return out + "'";
}

std::string here(std::string_view path, std::string_view text) {
  std::string out = "cat > " + std::string(path) + " <<'GANTRY_END'\n" + std::string(text);
  if (!out.ends_with('\n')) out += '\n';
  return out + "GANTRY_END\n";
}

// The checksum came with these lines, so it does not matter whose certificate the server shows.
std::string fetch(const AgentSource& source) {
  if (source.url.empty()) return "[ -x /opt/gantry/gantry ]\n";
  return "if [ \"$(cat /opt/gantry/sha256 2>/dev/null)\" != " + source.sha256 +
         " ]; then\n"
         "  mkdir -p /opt/gantry\n"
         "  tries=0\n"
         "  until {\n"
         "    if command -v curl >/dev/null; then curl -fsSk --max-time 120 -o /opt/gantry/new.tar.gz " +
         quoted(source.url) +
         "\n"
         "    else wget -q --no-check-certificate -O /opt/gantry/new.tar.gz " +
         quoted(source.url) +
         "; fi\n"
         "    [ \"$(sha256sum /opt/gantry/new.tar.gz | cut -d' ' -f1)\" = " +
         source.sha256 +
         " ]\n"
         "  }; do\n"
         "    tries=$((tries + 1)); [ $tries -lt 120 ]; sleep 2\n"
         "  done\n"
         "  tar -xzf /opt/gantry/new.tar.gz -C /opt/gantry\n"
         "  rm /opt/gantry/new.tar.gz\n"
         "  echo " +
         source.sha256 +
         " > /opt/gantry/sha256\n"
         "fi\n";
}

// cloud-init runs the scripts of an archive, and what runcmd says as one that is called "runcmd", in the order of their
// names. So they get names by which they run as they are given: before what is no script, or after it.
std::string script_name(std::size_t position, bool before) {
  std::string number = std::to_string(position);
  return (before ? "00-gantry-" : "zz-gantry-") + std::string(number.size() < 2 ? "0" : "") + number;
}

bool is_shell(std::string_view part) { return part.starts_with(kShell); }

std::string content_type(std::string_view part) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 5> kTypes{{
      {"#cloud-config", "text/cloud-config"},
      {"#!", "text/x-shellscript"},
      {"#include", "text/x-include-url"},
      {"#cloud-boothook", "text/cloud-boothook"},
      {"## template: jinja", "text/jinja2"},
  }};
  for (const auto& [start, type] : kTypes) {
    if (part.starts_with(start)) return std::string(type);
  }
  throw Error(ErrorCode::Invalid,
              "user data begins with none of #cloud-config, #!, #include, #cloud-boothook and ## template: jinja");
}

}  // namespace

std::string agent_script(const AgentSetup& setup) {
  std::string script(kShell);
  script +=
      "# The agent of this host.\n"
      "set -eu\n"
      "umask 077\n" +
      fetch(setup.source) + "mkdir -p /var/lib/gantry-agent/pki\n" +
      here("/var/lib/gantry-agent/agent.key", setup.key.reveal());
  std::string flags = "--data-dir /var/lib/gantry-agent --listen 0.0.0.0:" + std::to_string(setup.port);
  if (setup.http) {
    flags += " --http";
  } else {
    script += here("/var/lib/gantry-agent/pki/given.crt", setup.certificate) +
              here("/var/lib/gantry-agent/pki/given.key", setup.certificate_key.reveal());
    flags += " --tls-certificate /var/lib/gantry-agent/pki/given.crt --tls-key /var/lib/gantry-agent/pki/given.key";
  }
  script += "if [ -d /run/systemd/system ]; then\n" +
            here("/etc/systemd/system/gantry-agent.service",
                 "[Unit]\nDescription=Gantry agent\nAfter=network-online.target\nWants=network-online.target\n"
                 "[Service]\nEnvironment=LD_LIBRARY_PATH=/opt/gantry/lib\nExecStart=/opt/gantry/gantry agent " +
                     flags +
                     "\nRestart=always\nRestartSec=2\nKillMode=process\nDelegate=yes\n[Install]\nWantedBy=multi-user."
                     "target\n") +
            "systemctl daemon-reload\n"
            "systemctl enable --now gantry-agent\n"
            "else\n"
            "  export LD_LIBRARY_PATH=/opt/gantry/lib\n"
            "  setsid sh -c 'while :; do /opt/gantry/gantry agent " +
            flags +
            "; sleep 2; done' </dev/null >/var/log/gantry-agent.log 2>&1 &\n"
            "fi\n";
  return script;
}

std::string builder_script(const std::vector<std::string>& packages, const AgentSource& source) {
  std::string script(kShell);
  script += "# What an image is made of.\nset -eu\n";
  if (!packages.empty()) {
    std::string names;
    for (const auto& package : packages) names += " " + quoted(package);
    script +=
        "if command -v apt-get >/dev/null; then\n"
        "  export DEBIAN_FRONTEND=noninteractive\n"
        "  apt-get update -q\n"
        "  apt-get install -y -q --no-install-recommends" +
        names +
        "\n"
        "elif command -v dnf >/dev/null; then dnf install -y" +
        names + "\nelif command -v apk >/dev/null; then apk add" + names +
        "\nelse echo 'there is no package manager here that is known' >&2; exit 1\nfi\n";
  }
  if (!source.url.empty()) script += "umask 077\n" + fetch(source);
  return script + "mkdir -p /run\n" +
         here("/run/gantry-finish", std::string(kShell) + "set -eu\n" + std::string(kFailed) + std::string(kFinish)) +
         std::string(kThenFinish);
}

std::string report_script(const std::string& url) {
  if (url.empty()) return {};
  // Its certificate is not looked at: the address alone lets one say something here, and what is said gives nothing
  // away but to whoever made the Snapshot.
  const std::string report = std::string(kShell) + std::string(kFailed) +
                             "failed > /run/gantry-failed || exit 0\n"
                             "grep -vE '^Cloud-init v\\. |\\.py\\[WARNING\\]: (Failed to run|Running) module' "
                             "/var/log/cloud-init-output.log | tail -c 8000 > /run/gantry-report.log\n"
                             "tries=0\n"
                             "until curl -fsSk --max-time 20 --data-binary @/run/gantry-report.log " +
                             quoted(url) +
                             " || [ $tries -ge 60 ]; do\n"
                             "  tries=$((tries + 1)); sleep 5\n"
                             "done\n";
  return std::string(kShell) + "if [ -e /run/cloud-init/status.json ] && command -v curl >/dev/null; then\n" +
         here("/run/gantry-report", report) +
         "chmod 700 /run/gantry-report\nsetsid /run/gantry-report </dev/null >/dev/null 2>&1 &\nfi\n";
}

std::string ssh_keys_script(const std::vector<std::string>& public_keys) {
  if (public_keys.empty()) return {};
  std::string lines;
  for (const auto& key : public_keys) lines += key + "\n";
  return std::string(kShell) + "umask 077\nmkdir -p /root/.ssh\n" + here("/root/.ssh/gantry_keys", lines) +
         "cat /root/.ssh/gantry_keys >> /root/.ssh/authorized_keys\nrm /root/.ssh/gantry_keys\n";
}

std::string merge_user_data(const std::vector<std::string>& given) {
  std::vector<std::string> parts;
  std::ranges::copy_if(given, std::back_inserter(parts), [](const auto& part) { return !part.empty(); });
  if (parts.empty()) return {};
  if (parts.size() == 1) return parts.front();
  if (std::ranges::all_of(parts, is_shell)) {
    // Each for itself: what one sets is nothing to the next; but where one fails, the rest does not happen.
    std::string script = std::string(kShell) + "set -e\n";
    for (const auto& part : parts)
      script += "(\n" + part.substr(kShell.size()) + (part.ends_with('\n') ? "" : "\n") + ")\n";
    return script;
  }
  std::string mime =
      "Content-Type: multipart/mixed; boundary=\"" + std::string(kBoundary) + "\"\nMIME-Version: 1.0\n\n";
  bool before = true;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const auto& part = parts[i];
    if (part.find(kBoundary) != std::string::npos)
      throw Error(ErrorCode::Invalid, "user data must not contain " + std::string(kBoundary));
    mime += "--" + std::string(kBoundary) + "\nContent-Type: " + content_type(part) + "; charset=\"utf-8\"\n";
    if (part.starts_with("#!")) {
      mime += "Content-Disposition: attachment; filename=\"" + script_name(i, before) + "\"\n";
    } else {
      before = false;
    }
    mime += '\n' + part;
    if (!part.ends_with('\n')) mime += '\n';
  }
  return mime + "--" + std::string(kBoundary) + "--\n";
}

bool is_public_key(const std::string& entry) {
  return entry.starts_with("ssh-") || entry.starts_with("ecdsa-sha2-") || entry.starts_with("sk-");
}

}  // namespace gantry::reconcilers::provider
