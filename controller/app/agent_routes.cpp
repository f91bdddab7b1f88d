#include "controller/app/agent_routes.hpp"

#include <fstream>

namespace gantry::app {
namespace {

// From the page cache, a piece at a time: what a slow client has not taken yet is not read.
class FileBody final : public api::BodyStream {
 public:
  explicit FileBody(const std::string& path) : in_(path, std::ios::binary) {}
  Task<std::vector<api::Piece>> next() override {
    std::vector<api::Piece> pieces;
    std::string piece(kPiece, '\0');
    in_.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    piece.resize(static_cast<std::size_t>(in_.gcount()));
    if (!piece.empty() && !closed_) pieces.emplace_back(std::move(piece));
    co_return pieces;
  }
  void close() override { closed_ = true; }

 private:
  static constexpr std::size_t kPiece = 256 << 10;
  std::ifstream in_;
  bool closed_ = false;
};

}  // namespace

Task<api::HttpResponse> AgentRoutes::handle(api::HttpRequest request) {
  const auto& way = request.segments;
  if (way.size() == 3 && way[0] == "agent" && way[1] == "builds") co_return take_report(std::move(request));
  const bool mine = way.size() == 2 && way[0] == "agent";
  co_return co_await (mine ? answer(std::move(request)) : next_.handle(std::move(request)));
}

api::HttpResponse AgentRoutes::take_report(api::HttpRequest request) {
  if (request.method != "POST")
    return api::status_response(Error(ErrorCode::MethodNotAllowed, "reports of builders are sent with POST"));
  if (!reports_.put(request.segments[2], std::move(request.body)))
    return api::status_response(Error(ErrorCode::NotFound, "no such builder is waited for, or it says too much"));
  return {};
}

Task<api::HttpResponse> AgentRoutes::answer(api::HttpRequest request) {
  const std::string file = archive_.file_of(request.segments[1]);
  if (request.method != "GET")
    co_return api::status_response(Error(ErrorCode::MethodNotAllowed, "/agent is asked with GET"));
  if (file.empty()) co_return api::status_response(Error(ErrorCode::NotFound, "there is no such agent here"));
  api::HttpResponse response;
  response.content_type = "application/gzip";
  response.stream = std::make_unique<FileBody>(file);
  co_return response;
}

}  // namespace gantry::app
