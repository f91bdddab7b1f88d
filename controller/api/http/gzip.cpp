#include "controller/api/http/gzip.hpp"

#include <zlib.h>

#include "controller/base/error.hpp"

namespace gantry::api::http {

struct Gzip::Stream {
  z_stream z{};
  ~Stream() { deflateEnd(&z); }
};

Gzip::Gzip() : stream_(std::make_unique<Stream>()) {
  constexpr int kGzipWindow = 15 + 16;  // zlib's way to ask for gzip's header
  if (deflateInit2(&stream_->z, 1, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    throw Error(ErrorCode::Unavailable, "no memory to compress the answer");
  }
}

Gzip::~Gzip() = default;

void Gzip::add(std::string_view bytes, std::string& out) { run(bytes, Z_NO_FLUSH, out); }
void Gzip::finish(std::string& out) { run({}, Z_FINISH, out); }

void Gzip::run(std::string_view bytes, int flush, std::string& out) {
  z_stream& z = stream_->z;
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  while (true) {
    constexpr std::size_t kRoom = 32 << 10;
    const std::size_t before = out.size();
    out.resize(before + kRoom);
    z.next_out = reinterpret_cast<Bytef*>(out.data() + before);
    z.avail_out = kRoom;
    const int result = deflate(&z, flush);
    out.resize(before + kRoom - z.avail_out);
    if (result == Z_STREAM_END || (flush == Z_NO_FLUSH && z.avail_in == 0 && z.avail_out > 0)) return;
    if (result != Z_OK && result != Z_BUF_ERROR) throw Error(ErrorCode::Internal, "zlib cannot go on compressing");
  }
}

}  // namespace gantry::api::http
