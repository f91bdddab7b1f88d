#include "controller/cli/commands.hpp"

namespace gantry::cli {

std::vector<Command> all_commands(const std::vector<Command>& more) {
  std::vector<Command> commands;
  commands.reserve(29 + more.size());
  for (const auto& row : {apply_command,
                          get_command,
                          describe_command,
                          delete_command,
                          diff_command,
                          plan_command,
                          wait_command,
                          events_command,
                          logs_command,
                          why_command,
                          import_command,
                          rollout_status_command,
                          rollout_history_command,
                          rollout_undo_command,
                          rollout_restart_command,
                          rollout_pause_command,
                          rollout_resume_command,
                          stop_command,
                          start_command,
                          label_command,
                          annotate_command,
                          explain_command,
                          api_resources_command,
                          version_command,
                          completion_command,
                          config_view_command,
                          config_get_contexts_command,
                          config_use_context_command,
                          complete_command}) {
    commands.push_back(row());
  }
  for (const Command& command : more) commands.push_back(command);
  return commands;
}

}  // namespace gantry::cli
