"""Who is compared: each script, how it is started, what its collector answers, and what it records.

Every script is set to record what it records by itself of a visit, to a collector of its own kind on another origin.
`@COLLECTOR@` in a script stands for that origin.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from . import bundle
from .stub import Reply

COLLECTOR = "@COLLECTOR@"
SCRIPT = "/script.js"
SITE_KEY = "demoKey_01"


@dataclass(frozen=True, slots=True)
class Rival:
    """One script: `source` makes its text, `loads` the scripts that it fetches later, by path."""

    name: str
    records: str
    source: Callable[[], str]
    replies: Mapping[str, Reply]
    path: str = SCRIPT
    attributes: Mapping[str, str] = field(default_factory=dict)
    loads: Callable[[], Mapping[str, str]] = dict
    rounds: int | None = None
    """How often it is measured in a whole run; None: as often as asked for."""


BASELINE = Rival("nothing", "the page alone, with an empty script", lambda: "", {})

_EMPTY = Reply(204)
_OK = Reply(200)


def list_ours(built: Path) -> list[Rival]:
    """Return our core alone and with its signals, as built into `built`."""
    core = "clicks, moves, scroll depth, sections, engaged time, dead and error clicks, routes; no replay"
    signals = f"{core}; and web vitals, form fields, selections, errors and the other signals"
    return [_ours(built, "jalki core", core, "0"), _ours(built, "jalki core + signals", signals, "1")]


def _ours(built: Path, name: str, records: str, flags: str) -> Rival:
    def read() -> str:
        text = (built / "snippet.js").read_text("utf-8")
        return text.replace("__JALKI_KEY__", SITE_KEY).replace("__JALKI_SITE__", flags)

    def load() -> dict[str, str]:
        # The address names the hash of the file, so any address of a module is answered with it.
        text = read()
        files = sorted((built / "modules").glob("*.js")) if (built / "modules").is_dir() else []
        return {f"/s/m/{file.stem}.{bundle.hash_of(file)}.js": file.read_text("utf-8") for file in files if text}

    replies = {"/v1/events": _EMPTY, f"/v1/events/{SITE_KEY}": _EMPTY}
    return Rival(name, records, read, replies, path=f"/s/{SITE_KEY}.js", loads=load)


def list_rivals() -> list[Rival]:
    """Return the others, the lightest first; the last ones are dear and are measured once."""
    return [_plausible(), _umami(), _clarity_insight(), _posthog(), _clarity(), *_measured_once()]


def _measured_once() -> list[Rival]:
    return [_rrweb(), _posthog_replay(), _countly(), _openreplay()]


def _plausible() -> Rival:
    entry = f"""import {{ init }} from '@plausible-analytics/tracker';
init({{ domain: 'bench', endpoint: '{COLLECTOR}/api/event', captureOnLocalhost: true, outboundLinks: true,
  fileDownloads: true, formSubmissions: true, logging: false }});"""
    records = "views, scroll depth, engaged time, outbound links, downloads, forms; no clicks, moves or elements"
    return Rival("Plausible", records, lambda: bundle.bundle_modules(entry), {"/api/event": Reply(202, "ok")})


def _umami() -> Rival:
    records = "views and routes, clicks on marked elements only; an older release, the newest on npm"
    attributes = {"data-website-id": "b59e9c65-ae32-47f1-8400-119fcf4861c4", "data-host-url": COLLECTOR}
    return Rival("Umami", records, bundle.read_umami, {"/api/send": Reply(200, "token")}, attributes=attributes)


_CLARITY_START = f"""window.clarity = function () {{ (clarity.q = clarity.q || []).push(arguments); }};
clarity('start', {{ projectId: 'bench', upload: '{COLLECTOR}/collect', track: true, content: true }});
"""


def _clarity_insight() -> Rival:
    records = "clicks, scrolls, timeline, page structure; its own build without replay and moves"
    return Rival(
        "Clarity without replay",
        records,
        lambda: _CLARITY_START + bundle.read_package("clarity-js/build/clarity.insight.js"),
        {"/collect": _OK},
    )


def _clarity() -> Rival:
    return Rival(
        "Clarity",
        "the whole page and its changes for replay, clicks, moves, scrolls, inputs (masked), vitals",
        lambda: _CLARITY_START + bundle.read_package("clarity-js/build/clarity.min.js"),
        {"/collect": _OK},
        rounds=1,
    )


_POSTHOG_CONFIG = {
    "token": "phc_bench",
    "supportedCompression": ["gzip", "gzip-js"],
    "hasFeatureFlags": False,
    "captureDeadClicks": False,
    "capturePerformance": {"network_timing": False, "web_vitals": False},
    "autocapture_opt_out": False,
    "autocaptureExceptions": False,
    "heatmaps": True,
    "surveys": False,
    "siteApps": [],
    "isAuthenticated": False,
    "toolbarParams": {},
    "sessionRecording": False,
}
_POSTHOG_RECORDING = {
    "endpoint": "/s/",
    "consoleLogRecordingEnabled": False,
    "recorderVersion": "v2",
    "sampleRate": None,
    "minimumDurationMilliseconds": None,
    "linkedFlag": None,
    "networkPayloadCapture": None,
    "masking": None,
    "urlTriggers": [],
    "urlBlocklist": [],
    "eventTriggers": [],
    "triggerMatchType": None,
    "scriptConfig": {"script": "posthog-recorder"},
}


def _posthog() -> Rival:
    records = "every click by its elements (autocapture), heatmap of clicks and moves, views, scroll depth"
    return _posthog_with("PostHog", records, _POSTHOG_CONFIG, is_recording=False)


def _posthog_replay() -> Rival:
    records = "the same, and the whole page and its changes for replay"
    return _posthog_with(
        "PostHog with replay", records, {**_POSTHOG_CONFIG, "sessionRecording": _POSTHOG_RECORDING}, is_recording=True
    )


def _posthog_with(name: str, records: str, config: Mapping[str, object], *, is_recording: bool) -> Rival:
    start = f"""
posthog.init('phc_bench', {{ api_host: '{COLLECTOR}', capture_heatmaps: true, disable_surveys: true,
  disable_session_recording: {json.dumps(not is_recording)} }});"""
    text = json.dumps(config)
    remote = Reply(200, text, "application/json")
    stored = Reply(200, '{"status": 1}', "application/json")

    def load() -> dict[str, str]:
        set_config = "(window._POSTHOG_REMOTE_CONFIG = window._POSTHOG_REMOTE_CONFIG || {})['phc_bench'] = "
        return {
            "/array/phc_bench/config.js": f"{set_config}{{ config: {text}, siteApps: [] }};",
            "*/posthog-recorder.js": bundle.read_package("posthog-js/dist/posthog-recorder.js"),
            # The heatmaps load it.
            "*/dead-clicks-autocapture.js": bundle.read_package("posthog-js/dist/dead-clicks-autocapture.js"),
        }

    replies = {
        "/array/phc_bench/config": remote,
        "/flags/": Reply(200, '{"flags": {}}', "application/json"),
        "/e/": stored,
        "/s/": stored,
        "/i/*": stored,
    }
    return Rival(
        name,
        records,
        lambda: bundle.read_package("posthog-js/dist/array.js") + start,
        replies,
        loads=load,
        rounds=1 if is_recording else None,
    )


def _rrweb() -> Rival:
    entry = f"""import {{ record }} from '@rrweb/record';
let events = [];
record({{ emit: (event) => events.push(event) }});
const send = (isLast) => {{
  if (!events.length) return;
  const body = JSON.stringify(events);
  events = [];
  const post = (data) => fetch('{COLLECTOR}/rrweb', {{ method: 'POST', body: data, keepalive: isLast }});
  if (isLast) post(body);
  else new Response(new Blob([body]).stream().pipeThrough(new CompressionStream('gzip'))).arrayBuffer().then(post);
}};
setInterval(send, 5000);
document.addEventListener('visibilitychange', () => send(true));
addEventListener('pagehide', () => send(true));"""
    records = "the whole page and its changes for replay; sent by five lines of ours, gzip each 5 s"
    return Rival("@rrweb/record", records, lambda: bundle.bundle_modules(entry), {"/rrweb": _EMPTY}, rounds=1)


def _countly() -> Rival:
    start = f"""
Countly.init({{ app_key: 'bench', url: '{COLLECTOR}', debug: false }});
Countly.track_sessions(); Countly.track_pageview(); Countly.track_clicks(); Countly.track_scrolls();
Countly.track_links(); Countly.track_forms(); Countly.track_errors();"""
    return Rival(
        "Countly",
        "sessions, views, clicks for heatmaps, scrolls, links, forms, errors",
        lambda: bundle.read_package("countly-sdk-web/lib/countly.min.js") + start,
        {"/i": Reply(200, '{"result": "Success"}', "application/json"), "/o/*": Reply(200, "{}", "application/json")},
        rounds=1,
    )


def _openreplay() -> Rival:
    entry = f"""import Tracker from '@openreplay/tracker/class';
new Tracker({{ projectKey: 'bench', ingestPoint: '{COLLECTOR}', __DISABLE_SECURE_MODE: true }}).start();"""
    session = {
        "token": "bench",
        "userUUID": "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed",
        "projectID": "1",
        "sessionID": "1",
        "delay": 0,
        "beaconSizeLimit": 1_000_000,
        "compressionThreshold": 20_000,
        "userBrowser": "Chrome",
        "userCity": "",
        "userCountry": "",
        "userDevice": "",
        "userOS": "Linux",
        "userState": "",
        "canvasEnabled": False,
        "assistOnly": False,
    }
    replies = {
        "/v1/web/start": Reply(200, json.dumps(session), "application/json"),
        "/v1/web/i": _OK,
        "/v1/web/tags": Reply(200, '{"tags": []}', "application/json"),
        "/v1/web/*": Reply(200, "{}", "application/json"),
    }
    return Rival(
        "OpenReplay",
        "the whole page and its changes for replay, clicks, moves, console, network, performance",
        lambda: bundle.bundle_modules(entry),
        replies,
        rounds=1,
    )
