// gantry completion: the scripts for the shells. They ask the program itself (gantry __complete WORDS...), so they know
// every command, flag, type and name, and never go stale.
#include "controller/cli/commands.hpp"
#include "controller/cli/context.hpp"
#include "controller/cli/target.hpp"

namespace gantry::cli {
namespace {

constexpr std::string_view kBash = R"sh(# bash completion for gantry: source <(gantry completion bash)
_gantry() {
  local line
  COMPREPLY=()
  while IFS=$'\t' read -r line _; do
    COMPREPLY+=("$line")
  done < <(gantry __complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *= ]]; then compopt -o nospace; fi
  if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == ":files" ]]; then
    COMPREPLY=()
    compopt -o default
  fi
}
complete -F _gantry gantry
)sh";

constexpr std::string_view kZsh = R"sh(#compdef gantry
# zsh completion for gantry: source <(gantry completion zsh)
_gantry() {
  local -a found
  local word about
  while IFS=$'\t' read -r word about; do
    if [[ $word == ":files" ]]; then _files; return; fi
    found+=("${word//:/\\:}${about:+:$about}")
  done < <(gantry __complete "${(@)words[2,CURRENT]}" 2>/dev/null)
  _describe 'gantry' found
}
compdef _gantry gantry
)sh";

constexpr std::string_view kFish = R"sh(# fish completion for gantry: gantry completion fish | source
function __gantry_complete
  set -l words (commandline -opc) (commandline -ct)
  for line in (gantry __complete $words[2..-1] 2>/dev/null)
    if test "$line" = ":files"
      __fish_complete_path (commandline -ct)
    else
      echo $line
    end
  end
end
complete -c gantry -f -a '(__gantry_complete)'
)sh";

int completion(Context& context) {
  const std::string shell = context.operands().size() == 1 ? context.operands()[0] : "";
  if (shell != "bash" && shell != "zsh" && shell != "fish") throw UsageError("say for which shell: bash, zsh or fish");
  context.out() << (shell == "bash" ? kBash : shell == "zsh" ? kZsh : kFish);
  return kOk;
}

// What may stand where the cursor is. The words behind the program's name; the last is being typed and may be empty.
class Completer {
 public:
  explicit Completer(Context& context) : context_(context), words_(context.operands()) {
    if (words_.empty()) words_.emplace_back();
    last_ = words_.back();
    words_.pop_back();
  }

  void run() {
    find_command();
    if (!words_.empty() && command_ && takes_value(words_.back()))
      return offer_values(words_.back().substr(words_.back().find_first_not_of('-')));
    if (last_.starts_with('-')) return offer_flags();
    if (!command_) return offer_commands();
    offer_operands();
  }

 private:
  void offer(std::string_view word, std::string_view about = {}) {
    if (!word.starts_with(last_)) return;
    context_.out() << word;
    if (!about.empty()) context_.out() << "\t" << about;
    context_.out() << "\n";
  }

  void find_command() {
    for (const Command& command : context_.commands()) {
      const std::size_t space = command.name.find(' ');
      const bool two = space != std::string_view::npos && words_.size() > 1 &&
                       words_[0] == command.name.substr(0, space) && words_[1] == command.name.substr(space + 1);
      const bool one = !words_.empty() && words_[0] == command.name;
      if (!one && !two) continue;
      command_ = &command;
      operands_from_ = two ? 2 : 1;
      return;
    }
  }

  bool takes_value(const std::string& word) const {
    if (!word.starts_with('-') || word.find('=') != std::string::npos) return false;
    return visit_flags([&](const Flag& flag) {
      const bool named = word == "--" + std::string(flag.name) || (word.size() == 2 && word[1] == flag.letter);
      return named && !flag.value.empty();
    });
  }

  template <class F>
  bool visit_flags(F visit) const {
    if (command_) {
      for (const Flag& flag : command_->flags) {
        if (visit(flag)) return true;
      }
    }
    return std::ranges::any_of(global_flags(), visit);
  }

  void offer_flags() {
    visit_flags([this](const Flag& flag) {
      offer("--" + std::string(flag.name) + (flag.value.empty() ? "" : "="), flag.help);
      return false;
    });
  }

  void offer_commands() {
    std::set<std::string_view> families;
    for (const Command& command : context_.commands()) {
      if (command.hidden) continue;
      const std::size_t space = command.name.find(' ');
      const std::string_view first = command.name.substr(0, space);
      if (words_.empty() && space == std::string_view::npos) offer(first, command.summary);
      if (words_.empty() && space != std::string_view::npos && families.insert(first).second) offer(first);
      if (words_.size() == 1 && space != std::string_view::npos && words_[0] == first)
        offer(command.name.substr(space + 1), command.summary);
    }
  }

  void offer_values(std::string_view flag) {
    if (flag == "filename" || flag == "f" || flag == "kubeconfig" || flag == "out" || flag == "plan") {
      context_.out() << ":files\n";
    } else if (flag == "output" || flag == "o") {
      for (const std::string_view form : {"wide", "yaml", "json", "name", "jsonpath=", "custom-columns="}) offer(form);
    } else if (flag == "namespace" || flag == "n") {
      offer_names("namespaces", "");
    } else if (flag == "dry-run") {
      for (const std::string_view how : {"none", "client", "server"}) offer(how);
    }
  }

  void offer_operands() {
    std::vector<std::string> operands;
    for (std::size_t i = operands_from_; i < words_.size(); ++i) {
      if (takes_value(words_[i])) {
        ++i;
      } else if (!words_[i].starts_with('-')) {
        operands.push_back(words_[i]);
      }
    }
    const std::string_view usage = command_->usage;
    if (command_->name == "completion") {
      for (const std::string_view shell : {"bash", "zsh", "fish"}) offer(shell);
    } else if (usage.starts_with("APP")) {
      offer_names("apps.gantry.dev", "");
    } else if (usage.starts_with("TYPE")) {
      if (const std::size_t slash = last_.find('/'); slash != std::string::npos) {
        offer_names(last_.substr(0, slash), last_.substr(0, slash + 1));
      } else if (operands.empty()) {
        for (const ResourcePtr& resource : context_.discovery().all()) offer(resource->plural, resource->kind);
      } else if (operands[0].find('/') == std::string::npos) {
        offer_names(operands[0], "");
      }
    }
  }

  std::string ns_typed() {
    for (std::size_t i = 0; i + 1 < words_.size(); ++i) {
      if (words_[i] == "-n" || words_[i] == "--namespace") return words_[i + 1];
    }
    return context_.ns();
  }

  void offer_names(std::string_view type, const std::string& prefix) {
    const ResourcePtr resource = context_.discovery().resource(type);
    for (const json::Value& item : list_all(context_, *resource, resource->namespaced ? ns_typed() : "")) {
      const json::Value* name = item.at({"metadata", "name"});
      if (name && name->is_string()) offer(prefix + name->as_string());
    }
  }

  Context& context_;
  std::vector<std::string> words_;
  std::string last_;
  const Command* command_ = nullptr;
  std::size_t operands_from_ = 0;
};

}  // namespace

Command completion_command() {
  return {
      .name = "completion",
      .group = "Learn",
      .usage = "bash|zsh|fish",
      .summary = "Print the completion script of a shell",
      .help =
          "Examples:\n"
          "  source <(gantry completion bash)       # in ~/.bashrc\n"
          "  source <(gantry completion zsh)        # in ~/.zshrc, after compinit\n"
          "  gantry completion fish | source        # in ~/.config/fish/config.fish\n",
      .flags = {},
      .run = completion,
  };
}

Command complete_command() {
  return {
      .name = "__complete",
      .group = {},
      .usage = "WORDS...",
      .summary = "What may stand where the cursor is",
      .flags = {},
      .run =
          [](Context& context) {
            try {
              Completer(context).run();
            } catch (const Error&) {  // no server: nothing to offer, and nothing to say in the middle of a line
            }
            return kOk;
          },
      .hidden = true,
  };
}

}  // namespace gantry::cli
