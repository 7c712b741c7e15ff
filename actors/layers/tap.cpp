#include "actors/layers/tap.hpp"

#include "actors/stack/internal/stack_actor.hpp"
#include "actors/stack/internal/text_arguments.hpp"
#include "runtime/supervision/internal/tree_sink.hpp"
#include "runtime/task/internal/standard_error.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <fstream>
#include <iterator>

namespace creche {

namespace {

constexpr std::string_view magic("CRTAP\0\0\1", 8);
constexpr std::size_t head_size = 16;

void put(char* to, std::uint64_t n, int bytes) noexcept {
  for (int i = 0; i < bytes; ++i) to[i] = char(n >> 8 * i & 255);
}
std::uint64_t get(const char* from, int bytes) noexcept {
  std::uint64_t n = 0;
  for (int i = bytes; i-- > 0;) n = n << 8 | static_cast<unsigned char>(from[i]);
  return n;
}

/// The file. Writes a record wholly, or is over.
class recording {
public:
  recording(const std::string& path, std::uint64_t most) noexcept : most_(most) {
    if (const int e = begin(path)) {
      fail(e);
      return;
    }
    iovec v{const_cast<char*>(magic.data()), magic.size()};
    write(&v, 1);
  }
  recording(const recording&) = delete;
  ~recording() { close(); }

  void add(clock_duration at, tap_event what, std::string_view bytes) noexcept {
    char head[head_size] = {};
    put(head, std::uint64_t(at.count()), 8);
    put(head + 8, bytes.size(), 4);
    head[12] = char(what);
    iovec v[] = {{head, head_size}, {const_cast<char*>(bytes.data()), bytes.size()}};
    write(v, 2);
  }
  void close() noexcept {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }
  /// 0: it goes on; EFBIG: the limit. Any thread.
  int error() const noexcept { return error_.load(std::memory_order_relaxed); }

private:
  int begin(const std::string& path) noexcept {
    fd_ = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0600);
    if (fd_ < 0) return errno;
    struct stat s{};
    if (::fstat(fd_, &s) != 0) return errno;
    if (!S_ISREG(s.st_mode)) return 0;
    if (::flock(fd_, LOCK_EX | LOCK_NB) != 0) return errno == EWOULDBLOCK ? EBUSY : errno;
    return ::ftruncate(fd_, 0) == 0 ? 0 : errno;
  }
  void write(const iovec* v, int n) noexcept {
    if (fd_ < 0) return;
    std::size_t all = 0;
    for (int i = 0; i < n; ++i) all += v[i].iov_len;
    if (all > most_ - size_) return fail(EFBIG);
    const auto k = ::writev(fd_, v, n);
    if (k != ssize_t(all))
      return fail(k < 0 ? errno : ENOSPC); // the reader leaves out what was cut
    size_ += all;
  }
  void fail(int error) noexcept {
    error_.store(error, std::memory_order_relaxed);
    close();
  }
  int fd_ = -1;
  std::uint64_t size_ = 0;
  const std::uint64_t most_;
  std::atomic<int> error_{0};
};

class tap_layer final : public internal::layer_actor {
public:
  tap_layer(caf::actor_config& cfg, internal::child_record* record, internal::stack_actor& s,
            const std::string& path, std::uint64_t most, bool frames)
      : layer_actor(cfg, record, s), began_(home_.now()), file_(path, most) {
    if (frames) speak_frames();
    if (file_.error() == EBUSY)
      internal::tell_operator("creche: tap: another stack records to '" + path +
                                  "', so this one is not recorded; give it a path of its own\n",
                              0);
  }
  std::string_view kind() const noexcept override { return "tap"; }
  void describe(const internal::tree_sink& out) const override {
    layer_actor::describe(out);
    if (const int e = file_.error())
      out.detail(e == EFBIG   ? "recording ended: the file is full"
                 : e == EBUSY ? "not recorded: another stack records to its file"
                              : "recording ended: " + std::generic_category().message(e));
  }

private:
  void note(tap_event what, const slice& b = {}) noexcept {
    file_.add(home_.now() - began_, what, b.view());
  }
  take received(const slice& in) override {
    if (!room_above()) return wait_for_room_above();
    note(tap_event::in, in);
    send_up(in);
    return {in.size()};
  }
  void eof() override {
    note(tap_event::eof);
    layer_actor::eof();
  }
  void write(internal::message_ptr order) override {
    note(tap_event::out, order->bytes);
    layer_actor::write(std::move(order));
  }
  void finish_writing() override {
    note(tap_event::finish);
    layer_actor::finish_writing();
  }
  void close(ended_by how) override {
    closed_ = true;
    note(tap_event::close);
    layer_actor::close(how);
  }
  void left() noexcept override { closed_ = true; } // a live edit took it out
  void on_over() noexcept override {
    if (!closed_) note(tap_event::broken);
    file_.close(); // the next life of the stack may record at once
  }

  const time_point began_;
  recording file_;
  bool closed_ = false;
};

class tap_part_of final : public detail::layer_part {
public:
  tap_part_of(std::string form, std::string_view path, std::uint64_t most, speech passes)
      : layer_part(std::move(form), passes, passes), path_(path), most_(most) {}
  void add_to(internal::stack_actor& stack) const override {
    stack.add_layer<tap_layer>("tap", nullptr, path_, most_, above == speech::frames);
  }

private:
  const std::string path_;
  const std::uint64_t most_;
};

} // namespace

any_stack detail::tap_part(std::string_view path, const tap_options& options, speech passes) {
  if (path.empty() || path.find('\0') != path.npos)
    throw std::invalid_argument("tap needs the path of a file, like tap(/tmp/talk.tap)");
  if (options.most_bytes < magic.size() + head_size)
    throw std::invalid_argument("a file of tap has at least 24 bytes");
  std::string text;
  if (internal::is_plain_argument(path)) {
    (text = "tap(") += path;
    if (options.most_bytes != tap_options().most_bytes)
      (text += ',') += std::to_string(options.most_bytes);
    text += passes == speech::frames ? ",frames)" : ")";
  }
  return any_stack(part::make<tap_part_of>(std::move(text), path, options.most_bytes, passes));
}

std::vector<tap_record> tap_records(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::system_error(errno, std::generic_category(), path);
  const std::string all{std::istreambuf_iterator<char>(file), {}};
  if (!all.starts_with(magic)) throw std::invalid_argument(path + " is no record of tap");
  std::vector<tap_record> records;
  for (auto at = magic.size(); all.size() - at >= head_size;) {
    const auto* head = all.data() + at;
    const auto size = std::size_t(get(head + 8, 4));
    const auto what = static_cast<unsigned char>(head[12]);
    if (what > std::uint8_t(tap_event::broken) || get(head + 13, 3) != 0)
      throw std::invalid_argument(path + ": there is no record at byte " + std::to_string(at));
    at += head_size;
    if (all.size() - at < size) break;
    records.push_back(
        {clock_duration(std::int64_t(get(head, 8))), tap_event(what), all.substr(at, size)});
    at += size;
  }
  return records;
}

namespace {

any_stack tap_from_text(internal::text_arguments args) {
  using namespace internal;
  expect_count(
      args, 1, 3,
      "tap needs the path of a file, like tap(/tmp/talk.tap) or tap(args.tap,65536,frames)");
  const bool frames = args.size() > 1 && args.back() == "frames";
  if (frames) args.pop_back();
  if (args.size() > 2) refuse_argument(2, "behind the path stand a limit in bytes, then frames");
  tap_options o;
  const auto passes = frames ? speech::frames : speech::octets;
  about_argument(0, [&] { return detail::tap_part(args[0], {}, passes); });
  if (args.size() == 2) o.most_bytes = number_of(args, 1, "limit in bytes");
  return about_argument(1, [&] { return detail::tap_part(args[0], o, passes); });
}

} // namespace

void add_tap_word(stack_words& words) { words.add("tap", tap_from_text); }

} // namespace creche
