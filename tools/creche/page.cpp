#include "tools/creche/page.hpp"

#include <algorithm>
#include <cstdio>
#include <string_view>

namespace demo {

using creche::tree_node;

namespace {

constexpr std::string_view head = R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>creche demo</title>
<link rel="icon" href="data:,">
<noscript><meta http-equiv="refresh" content="3"></noscript>
<style>
:root { --ink: #1c2430; --soft: #667085; --line: #dfe3ea; --paper: #f6f7f9; --card: #fff;
  --good: #16a34a; --wait: #d97706; --bad: #dc2626; --accent: #2f5bea; color-scheme: light dark }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #98a2b3; --line: #323a47;
  --paper: #12161c; --card: #1a2029; --good: #4ade80; --wait: #fbbf24; --bad: #f87171;
  --accent: #4f76f6 } }
* { box-sizing: border-box }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif }
header, main, footer { max-width: 60rem; margin: 0 auto; padding: 0 1.25rem }
header { display: flex; flex-wrap: wrap; align-items: center; gap: .75rem; padding-top: 1.75rem }
h1 { flex: 1 1 20rem; margin: 0; font-size: 1.6rem; line-height: 1.2; letter-spacing: -.02em }
h1 small { display: inline-block; color: var(--soft); font-weight: 400; font-size: 1rem;
  letter-spacing: 0 }
button { padding: .5rem 1rem; border: 0; border-radius: .5rem; background: var(--accent);
  color: #fff; font: inherit; font-weight: 600; cursor: pointer }
output { flex-basis: 100%; min-height: 1.5em; color: var(--soft) }
dl { display: grid; grid-template-columns: repeat(auto-fit, minmax(9rem, 1fr)); gap: .75rem;
  margin: .5rem 0 1rem }
dl div, .tree { background: var(--card); border: 1px solid var(--line); border-radius: .75rem;
  padding: .75rem 1rem }
dt { color: var(--soft); font-size: .85rem }
dd { margin: 0; font-size: 1.35rem; font-weight: 600; font-variant-numeric: tabular-nums }
ul { list-style: none; margin: 0; padding: 0 }
.tree ul { margin-left: .28rem; padding-left: 1.1rem; border-left: 1px solid var(--line) }
li p { position: relative; display: flex; flex-wrap: wrap; align-items: baseline; gap: .1rem .5rem;
  margin: 0; padding: .15rem 0 .15rem 1.1rem; color: var(--soft); overflow-wrap: anywhere }
li b { color: var(--ink) }
li p::before { content: ""; position: absolute; left: 0; top: .6rem; width: .6rem; height: .6rem;
  border-radius: 50%; background: var(--soft) }
li .good::before { background: var(--good) } li .wait::before { background: var(--wait) }
li .bad::before { background: var(--bad) }
.tag { padding: .05rem .5rem; border: 1px solid var(--line); border-radius: 1rem;
  font-size: .8rem }
.says { font-size: .9rem }
.fails { flex-basis: 100%; color: var(--bad); font-size: .9rem }
.hurt { color: var(--wait); border-color: currentColor }
footer { padding-top: 1rem; padding-bottom: 2rem; color: var(--soft); font-size: .9rem }
a { color: inherit }
.gone main { opacity: .4 }
</style>
</head>
<body>
<header>
<h1>creche <small>a tree of supervised actors, as it lives now</small></h1>
<form method="post" action="/crash"><button>Crash the worker</button></form>
<form method="post" action="/crash/db"><button>Crash db</button></form>
<output></output>
</header>
)";

constexpr std::string_view foot = R"(<footer>
The worker fails by chance every 5 to 35 seconds, or when you ask for it, and is started again after
a wait that doubles. More than 5 restarts in 10 seconds end the demo. When db fails, api and cache
are stopped before it is started again, and follow it.
See also <a href="/tree">/tree</a> (JSON), <a href="/hello">/hello</a>, and /echo, which sends back
what you post.
</footer>
<script>
const live = document.querySelector("main"), said = document.querySelector("output");
async function refresh() {
  try {
    const answer = await fetch("/", { cache: "no-store", signal: AbortSignal.timeout(3000) });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const fresh = page.querySelector("main");
    if (fresh.innerHTML !== live.innerHTML) live.innerHTML = fresh.innerHTML;
    if (document.body.classList.replace("gone", "here")) said.textContent = "";
  } catch {
    document.body.className = "gone";
    said.textContent = "The demo does not answer.";
  }
}
(async () => { for (;;) { await new Promise(r => setTimeout(r, 1000)); await refresh(); } })();
for (const form of document.querySelectorAll("form")) form.onsubmit = async event => {
  event.preventDefault();
  const answer = await fetch(form.action, { method: "POST" }).catch(() => null);
  if (answer) said.textContent = await answer.text();
  refresh();
};
</script>
</body>
</html>
)";

class writer {
public:
  writer& raw(std::string_view s) { return out_ += s, *this; }
  writer& text(std::string_view s) {
    for (const char c : s) switch (c) {
      case '&': out_ += "&amp;"; break;
      case '<': out_ += "&lt;"; break;
      case '>': out_ += "&gt;"; break;
      default: out_ += c;
      }
    return *this;
  }
  writer& span(std::string_view kind, std::string_view s) {
    return raw("<span class=\"").raw(kind).raw("\">").text(s).raw("</span>");
  }
  writer& fact(std::string_view name, std::string_view value) {
    return raw("<div><dt>").text(name).raw("</dt><dd>").text(value).raw("</dd></div>\n");
  }
  std::string take() { return std::move(out_); }

private:
  std::string out_;
};

std::string counted(std::uint64_t n, const char* what) {
  return std::to_string(n) + " " + what + (n == 1 ? "" : "s");
}

std::string_view light_of(const tree_node& n) {
  if (n.stuck) return "bad";
  return n.state == "running" || n.state == "open" ? "good" : "wait";
}

void put(writer& w, const tree_node& n) {
  w.raw("<li><p class=\"").raw(light_of(n)).raw("\"><b>").text(n.name).raw("</b>");
  if (n.kind != n.name) w.span("kind", n.kind);
  if (n.stuck) {
    char text[64];
    std::snprintf(text, sizeof text, "stuck: it keeps its loop busy for %.1f s", n.stuck_for_s);
    w.span("tag", text);
  } else {
    w.span("tag", n.state);
  }
  if (n.phase_ends_in_s >= 0) {
    char left[48];
    std::snprintf(left, sizeof left, "for %.1f s more", n.phase_ends_in_s);
    w.span("tag hurt", left);
  }
  if (!n.policy.empty()) w.span("tag", n.policy);
  if (!n.waits_for.empty()) w.span("tag", "waits: " + n.waits_for);
  if (n.restarts) w.span("tag hurt", counted(n.restarts, "restart"));
  if (n.restart_in_s >= 0) {
    char in[48];
    std::snprintf(in, sizeof in, "again in %.1f s", n.restart_in_s);
    w.span("tag hurt", in);
  }
  if (n.bytes) w.span("tag", counted(n.bytes, "byte") + " inside");
  if (!n.detail.empty()) w.span("says", n.detail);
  if (!n.failure.empty()) w.span("fails", "last failure: " + n.failure);
  w.raw("</p>");
  if (!n.children.empty() || n.hidden) {
    w.raw("\n<ul>\n");
    for (auto& c : n.children) put(w, c);
    if (n.hidden) w.raw("<li><p>and ").text(counted(n.hidden, "other")).raw("</p></li>\n");
    w.raw("</ul>\n");
  }
  w.raw("</li>\n");
}

const tree_node* find(const tree_node& n, std::string_view name) {
  const auto at = std::ranges::find(n.children, name, &tree_node::name);
  return at == n.children.end() ? nullptr : &*at;
}

} // namespace

std::string page(const tree_node& top, std::uint64_t seconds) {
  writer w;
  w.raw(head).raw("<main>\n<dl>\n");
  w.fact("ticker, seconds", std::to_string(seconds));
  if (auto* worker = find(top, "worker")) {
    w.fact("worker", worker->state);
    w.fact("its restarts", std::to_string(worker->restarts));
  }
  if (auto* http = find(top, "http"))
    w.fact("connections", std::to_string(http->children.size() + http->hidden));
  w.raw("</dl>\n<ul class=\"tree\">\n");
  put(w, top);
  w.raw("</ul>\n</main>\n").raw(foot);
  return w.take();
}

} // namespace demo
