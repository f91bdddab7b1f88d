// The table of commands. To add one: a file in commands/, a declaration here, a line in commands.cpp.
#pragma once

#include <vector>

#include "controller/cli/command.hpp"

namespace gantry::cli {

Command annotate_command();
Command api_resources_command();
Command apply_command();
Command complete_command();  // hidden: the shells ask it
Command completion_command();
Command config_get_contexts_command();
Command config_use_context_command();
Command config_view_command();
Command delete_command();
Command describe_command();
Command diff_command();
Command events_command();
Command explain_command();
Command get_command();
Command label_command();
Command logs_command();
Command plan_command();
Command rollout_history_command();
Command rollout_pause_command();
Command rollout_restart_command();
Command rollout_resume_command();
Command rollout_status_command();
Command rollout_undo_command();
Command start_command();
Command stop_command();
Command version_command();
Command wait_command();
Command import_command();
Command why_command();

// In the order of `gantry help`; more come behind their group.
std::vector<Command> all_commands(const std::vector<Command>& more);

}  // namespace gantry::cli
