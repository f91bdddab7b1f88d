#include "crds/alarm.hpp"
#include "crds/app.hpp"
#include "crds/provider.hpp"
#include "crds/release.hpp"
#include "crds/server.hpp"
#include "crds/snapshot.hpp"
#include "crds/source.hpp"
#include "crds/stack.hpp"
#include "crds/tunnel.hpp"

namespace gantry::crds {

AlarmSpec decode_alarm_spec(const json::Value& object) { return decode_spec<AlarmSpec>(object); }
AppSpec decode_app_spec(const json::Value& object) { return decode_spec<AppSpec>(object); }
ProviderSpec decode_provider_spec(const json::Value& object) { return decode_spec<ProviderSpec>(object); }
ReleaseSpec decode_release_spec(const json::Value& object) { return decode_spec<ReleaseSpec>(object); }
ServerSpec decode_server_spec(const json::Value& object) { return decode_spec<ServerSpec>(object); }
SnapshotSpec decode_snapshot_spec(const json::Value& object) { return decode_spec<SnapshotSpec>(object); }
SourceSpec decode_source_spec(const json::Value& object) { return decode_spec<SourceSpec>(object); }
StackSpec decode_stack_spec(const json::Value& object) { return decode_spec<StackSpec>(object); }
TunnelSpec decode_tunnel_spec(const json::Value& object) { return decode_spec<TunnelSpec>(object); }

}  // namespace gantry::crds
