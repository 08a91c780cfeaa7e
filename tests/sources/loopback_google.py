"""Imitate Google on this machine for a real browser: results that load on scrolling, a consent page, a captcha."""

import threading
from urllib.parse import parse_qs, urlsplit

import google_forms as forms

from distillery_demo.web import Server
from distillery_demo.web_index import SearchIndex
from distillery_demo.web_replies import Reply

BATCH = 50
SCROLLING = """
let first = %d, busy = false;
addEventListener("scroll", () => {
  if (busy || first >= %d || scrollY + 2 * innerHeight < document.documentElement.scrollHeight) return;
  busy = true;
  const request = new XMLHttpRequest();
  request.open("GET", location.pathname + location.search + "&async=1&start=" + first);
  request.onload = () => {
    if (request.status !== 200) { location = "/sorry/index?continue=" + encodeURIComponent(location); return; }
    const more = document.createElement("div");
    more.style.height = "2000px";
    document.body.append(more);
    first += %d; busy = false;
  };
  request.send();
});
"""
# a page with a captcha, which continues by itself once it is solved
SORRY = """<!doctype html><form id="captcha-form">Are you a person?</form><script>
setInterval(() => fetch("/solved").then((reply) => reply.text()).then((text) => {
  if (text === "yes") location = new URLSearchParams(location.search).get("continue");
}), 50);
</script>"""
CONSENT = """<!doctype html><form action="https://consent.google.com/save">Before you continue</form>
<button id="W0wltc">Reject all</button>
<button id="L2AGLb" onclick="fetch('/agreed').then(() => location.reload())">Accept all</button>"""


class Google(Server):
    """Serves results, in batches of `BATCH` after the first page.

    Args:
        count: number of results per query.
        captcha: number of the batch before which it shows a captcha; −1 for never.
        consent: whether it first shows a consent page.
    """

    def __init__(self, count=300, captcha=-1, consent=False):
        super().__init__(SearchIndex({}, 0, 0))
        self.count, self.captcha, self.consent = count, captcha, consent
        self.solved, self.agreed = threading.Event(), threading.Event()

    def images(self, query):
        return [(f"http://{query}.test/{number}.jpg", 600 + number, 400 + number) for number in range(self.count)]

    def answer(self, host, path):
        with self._lock:
            self.asked.append(f"http://{host}{path}")
        parts = urlsplit(path)
        values = {name: value[0] for name, value in parse_qs(parts.query).items()}
        if parts.path == "/solved":
            return Reply(b"yes" if self.solved.is_set() else b"no", "text/plain")
        if parts.path == "/agreed":
            self.agreed.set()
            return Reply(b"", "text/plain")
        if parts.path == "/sorry/index":
            return Reply(SORRY.encode())
        if parts.path != "/search":
            return Reply(b"", "text/plain", 404)
        if self.consent and not self.agreed.is_set():
            return Reply(CONSENT.encode())
        first = int(values.get("start", 0))
        if first // BATCH == self.captcha and not self.solved.is_set():
            if "async" in values:
                return Reply(b"", "text/plain", 429)
            return Reply(status=302, headers=(("Location", f"/sorry/index?continue=http://{host}{path}"),))
        images = self.images(values["q"])[first : first + BATCH]
        if "async" in values:
            return Reply(forms.once_more(images).encode(), "application/json")
        page = forms.inline(images) + "<body><div style='height: 3000px'></div>" + forms.cards(images)
        return Reply((page + f"<script>{SCROLLING % (BATCH, self.count, BATCH)}</script>").encode())
