"""The dashboard and the API over real HTTP: who may come in, what answers carry, what is said when it goes wrong."""

import csv
import re
from urllib.parse import quote

import pytest
from dashboard_house import HOSTILE, House

POLICY = "default-src 'none'"
PAGES = ["", "/heatmap", "/heatmap?kind=scroll", "/engagement", "/install"]


@pytest.mark.parametrize("path", ["/", "/sites/new", "/sites/1", "/sites/1/heatmap", "/nowhere"])
async def test_a_stranger_is_led_to_the_sign_in_page(house: House, path: str) -> None:
    """Nothing is shown to a browser that is not signed in, and the page says how to get in."""
    async with house.http.get(house.url + path) as answer:
        assert answer.url.path == "/sign-in"
        assert "jalki sign-in-link" in await answer.text()


async def test_a_stranger_gets_401_from_the_api(house: House) -> None:
    """A program is told what to send."""
    async with house.http.get(f"{house.url}/api/v1/sites/1/status") as answer:
        problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert problem["status"] == 401
    assert "Authorization: Bearer" in problem["hint"]


async def test_addresses_of_the_collector_are_not_the_dashboards(house: House) -> None:
    """In one service, a wrong request below /v1/ is refused and not led to the sign-in page."""
    for path, status in (("/v1/events", 405), ("/v1/nothing", 404)):
        async with house.http.get(house.url + path, allow_redirects=False) as answer:
            assert answer.status == status


async def test_opening_a_link_does_not_use_it_up_but_posting_it_does(house: House) -> None:
    """Link previews open addresses; only the form's post signs in, and only once."""
    link = await house.sign_in_url()
    token = link.partition("token=")[2]
    for _ in range(2):
        async with house.http.get(link) as answer:
            assert answer.status == 200
    async with house.http.post(
        f"{house.url}/sign-in", data={"token": token}, headers={"Origin": house.url}, allow_redirects=False
    ) as answer:
        cookie = answer.headers["Set-Cookie"]
        assert (answer.status, answer.headers["Location"]) == (303, "/")
    assert {"HttpOnly", "SameSite=Lax", "Max-Age=2592000"} <= set(cookie.split("; "))
    async with house.http.post(f"{house.url}/sign-in", data={"token": token}, headers={"Origin": house.url}) as answer:
        assert answer.status == 403
        assert "This link no longer works" in await answer.text()


@pytest.mark.parametrize(
    "headers", [{}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
async def test_a_form_of_another_site_is_refused(house: House, headers: dict[str, str]) -> None:
    """A post says where it comes from, and it is from here."""
    await house.sign_in()
    async with house.http.post(
        f"{house.url}/sites/new",
        data={"name": "x", "origins": "https://x.example", "time_zone": "UTC"},
        headers=headers,
    ) as answer:
        assert answer.status == 403
    assert await house.pool.fetchval("select count(*) from sites") == 0


async def test_signing_out_ends_the_session_everywhere(house: House) -> None:
    """The cookie is worthless afterwards, even where somebody kept it."""
    await house.sign_in()
    kept = {cookie.key: cookie.value for cookie in house.http.cookie_jar}
    async with house.http.post(f"{house.url}/sign-out", headers={"Origin": house.url}) as answer:
        assert answer.url.path == "/sign-in"
    async with house.http.get(house.url + "/", cookies=kept, allow_redirects=False) as answer:
        assert answer.status == 303


async def test_every_answer_carries_the_security_headers(house: House) -> None:
    """Pages, pictures, files, refusals and redirects alike."""
    await house.sign_in()
    for path in ("/", "/static/app.css", "/static/main.js", "/favicon.ico", "/nowhere", "/api/v1/nowhere", "/sign-in"):
        async with house.http.get(house.url + path) as answer:
            assert answer.headers["Content-Security-Policy"].startswith(POLICY), path
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "same-origin"


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/sites/99", 404, "There is no site 99"),
        ("/sites/abc", 404, "There is no site"),
        ("/nowhere", 404, "There is no page at /nowhere"),
        ("/sites/{id}?from=soon", 400, "write a date as YYYY-MM-DD"),
        ("/sites/{id}/heatmap?device=tv", 400, "it must be one of"),
        ("/sites/{id}/heatmap?page=/unknown", 404, "/unknown"),
        ("/sites/{id}/engagement?page=/unknown", 404, "/unknown"),
        ("/static/nothing.css", 404, "There is no such file"),
    ],
)
async def test_a_page_that_cannot_be_shown_says_why(lived_in_house: House, path: str, status: int, said: str) -> None:
    """The right status and a sentence, as a page."""
    async with lived_in_house.http.get(lived_in_house.url + path.replace("{id}", "1")) as answer:
        assert answer.status == status
        assert said in (await answer.text()).replace("&#39;", "'")


TEAPOT = "page=/product/teapot"


@pytest.mark.parametrize(
    ("query", "status", "said"),
    [
        ("heatmap.png", 400, "'page' is missing"),
        ("heatmap.png?page=/unknown", 404, "/unknown"),
        ("heatmap.png?page=teapot", 400, "begins with '/'"),
        ("heatmap.png?page=/%00", 400, "holds a NUL"),
        ("heatmap.png?page=/" + "a" * 30_000, 400, "is too long"),
        ("heatmap.png?page=/&page=/x", 400, "'page' is given more than once"),
        (f"heatmap.json?{TEAPOT}&devise=phone", 400, "'devise' is not a parameter here"),
        (f"heatmap.json?{TEAPOT}&device=tv", 400, "'device' is 'tv'"),
        (f"heatmap.json?{TEAPOT}&kind=heat", 400, "'kind' is 'heat'"),
        (f"heatmap.json?{TEAPOT}&from=2026-11-02&to=2026-11-01", 400, "is after 'to'"),
        (f"heatmap.json?{TEAPOT}&from=2026-02-30", 400, "no day of the calendar"),
        (f"heatmap.json?{TEAPOT}&from=1999-12-31", 400, "the earliest day"),
        (f"heatmap.json?{TEAPOT}&to=tomorrow", 400, "write a date"),
        (f"heatmap.json?{TEAPOT}&to=2999-01-01", 400, "has not begun"),
        (f"heatmap.png?{TEAPOT}&scale=3", 400, "'scale' is '3'"),
        (f"heatmap.png?{TEAPOT}&width=9", 400, "'width' is '9'"),
        (f"heatmap.png?{TEAPOT}&backdrop=photo", 400, "'backdrop' is 'photo'"),
        (f"backdrop.png?{TEAPOT}&scale=0", 400, "'scale' is '0'"),
        (f"engagement.json?{TEAPOT}&kind=click", 400, "'kind' is not a parameter here"),
        ("engagement.json?page=/unknown", 404, "/unknown"),
        ("engagement.csv?page=/unknown", 404, "/unknown"),
        (f"engagement.csv?{TEAPOT}&part=all", 400, "'part' is 'all'"),
        (f"engagement.json?{TEAPOT}&part=page", 400, "'part' is not a parameter here"),
        ("status?page=/", 400, "'page' is not a parameter here"),
        ("nothing.json", 404, "is not a route of this API"),
        ("a" * 30_000, 404, "is not a route of this API"),
        ("../99/status", 404, "no site 99"),
        ("../x/status", 404, "no site"),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_an_api_refusal_is_a_problem_document(lived_in_house: House, query: str, status: int, said: str) -> None:
    """type, title, status, detail and a hint, with the usual headers, never an empty 500."""
    async with lived_in_house.http.get(f"{lived_in_house.url}/api/v1/sites/1/{query}") as answer:
        problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, problem["status"]) == (status, status)
    assert set(problem) == {"type", "title", "status", "detail", "hint"}
    assert said in problem["detail"]
    assert problem["hint"]
    assert answer.headers["Content-Security-Policy"].startswith(POLICY)


@pytest.mark.parametrize("route", ["sites/1/heatmap.json?page=/", "nothing"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
async def test_the_api_is_only_read(lived_in_house: House, method: str, route: str) -> None:
    """Another method is refused as a problem document that names the allowed ones."""
    async with lived_in_house.http.request(method, f"{lived_in_house.url}/api/v1/{route}") as answer:
        problem = await answer.json(content_type="application/problem+json")
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, HEAD")
    assert problem["hint"]
    assert answer.headers["Content-Security-Policy"].startswith(POLICY)


async def test_a_token_is_told_the_routes_where_there_is_none(house: House) -> None:
    """A misspelt route is not found, rather than forbidden; strangers are told nothing."""
    token = await house.add_token(await house.add_site(), "read")
    for path in ("/api/v1/nothing", "/api/v1/sites/1/heatmap.gif"):
        async with house.http.get(house.url + path, headers=token) as answer:
            problem = await answer.json(content_type="application/problem+json")
        assert answer.status == 404
        assert "/api/v1/sites/{site}/engagement.csv" in problem["hint"]
    async with house.http.get(house.url + "/api/v1/nothing") as answer:
        assert answer.status == 401


async def test_a_token_reads_its_own_site_and_exports_only_with_that_scope(house: House) -> None:
    """read gives JSON and PNG, export also CSV; another site answers the same whether it exists or not."""
    site, other = await house.add_site(), await house.add_site("Other")
    await house.send_view(site)
    reader, exporter = await house.add_token(site, "read"), await house.add_token(site, "export")
    base = f"{house.url}/api/v1/sites/{site.site_id}"

    async def status(url: str, headers: dict[str, str]) -> int:
        async with house.http.get(url, headers=headers) as answer:
            return answer.status

    assert await status(f"{base}/engagement.json?page=/product/teapot", reader) == 200
    assert await status(f"{base}/heatmap.png?page=/product/teapot", reader) == 200
    assert await status(f"{base}/engagement.csv?page=/product/teapot", reader) == 403
    assert await status(f"{base}/engagement.csv?page=/product/teapot", exporter) == 200
    assert await status(f"{house.url}/api/v1/sites/{other.site_id}/status", exporter) == 403
    assert await status(f"{house.url}/api/v1/sites/9999/status", exporter) == 403
    assert await status(f"{base}/status", {"Authorization": "Bearer jalki_wrong"}) == 401


async def test_the_numbers_of_a_heatmap_are_the_clicks_that_were_sent(house: House) -> None:
    """Two views with two clicks each are four clicks, in the JSON and on the page."""
    await house.sign_in()
    site = await house.add_site()
    for _ in range(2):
        await house.send_view(site)
    async with house.http.get(f"{house.url}/api/v1/sites/{site.site_id}/heatmap.json?page=/product/teapot") as answer:
        heatmap = await answer.json()
    assert (heatmap["views"], heatmap["clicks"]) == (2, 4)
    async with house.http.get(f"{house.url}/sites/{site.site_id}/heatmap") as answer:
        text = await answer.text()
    assert '<strong class="num">4</strong> clicks in <strong class="num">2</strong> views' in text


async def test_the_picker_offers_the_pages_of_the_range_the_most_viewed_first(house: House) -> None:
    """Without a page in the address the first of them is shown; a page without views in the range is not offered."""
    await house.sign_in()
    site = await house.add_site()
    for path in ("/b", "/a", "/b"):
        await house.send_view(site, path=path)
    async with house.http.get(f"{house.url}/sites/{site.site_id}/heatmap") as answer:
        text = await answer.text()
    offered = re.findall(r'picker-name">([^<]+)</span><span class="num muted">(\d+) views', text)
    assert offered == [("/b", "2"), ("/a", "1")]
    assert '<span class="picker-path">/b</span>' in text
    async with house.http.get(f"{house.url}/sites/{site.site_id}/heatmap?device=phone") as answer:
        assert "No views in this range" in await answer.text()


async def test_a_picture_that_did_not_change_is_not_sent_again(house: House) -> None:
    """The browser's copy is confirmed by its tag, and a new click makes another one."""
    await house.sign_in()
    site = await house.add_site()
    await house.send_view(site)
    url = f"{house.url}/api/v1/sites/{site.site_id}/heatmap.png?page=/product/teapot"
    async with house.http.get(url) as answer:
        assert (await answer.read()).startswith(b"\x89PNG")
        tag = {"If-None-Match": answer.headers["ETag"]}
    async with house.http.get(url, headers=tag) as answer:
        assert answer.status == 304
    await house.send_view(site)
    async with house.http.get(url, headers=tag) as answer:
        assert answer.status == 200


async def test_the_backdrop_and_the_combined_picture_are_pngs(house: House) -> None:
    """Overlay, backdrop and both in one are drawn at the scale asked for."""
    await house.sign_in()
    site = await house.add_site()
    await house.send_view(site)
    base = f"{house.url}/api/v1/sites/{site.site_id}"
    for query in (
        "backdrop.png?scale=2&",
        "heatmap.png?backdrop=wireframe&scale=2&",
        "heatmap.png?kind=scroll&width=720&",
    ):
        async with house.http.get(f"{base}/{query}page=/product/teapot") as answer:
            assert answer.content_type == "image/png", await answer.text()
            assert (await answer.read()).startswith(b"\x89PNG")


async def test_the_sections_come_as_csv(house: House) -> None:
    """One row a section under a header, as a file."""
    await house.sign_in()
    site = await house.add_site()
    await house.send_view(site)
    async with house.http.get(f"{house.url}/api/v1/sites/{site.site_id}/engagement.csv?page=/product/teapot") as answer:
        lines = (await answer.text()).splitlines()
        assert answer.headers["Content-Disposition"] == 'attachment; filename="engagement.csv"'
    assert lines[0].startswith("section,title,top_px")
    assert len(lines) == 2
    assert ",About it,280,1200,240,2," in lines[1]


async def test_each_section_of_a_sheet_carries_the_figures_of_its_page(lived_in_house: House) -> None:
    """One sheet is enough for both: the page's figures stand in every row, with page, device and days."""
    (row,) = await _load_sheet(lived_in_house, "device=desktop")
    assert (row["section"], row["page"], row["device"]) == ("main>section:2", "/product/teapot", "desktop")
    assert (row["page_views"], row["page_visitors"], row["page_sessions"], row["page_clicks"]) == ("1", "1", "1", "2")
    assert row["first_day"] < row["last_day"]
    assert int(row["page_engaged_median_ms"]) > 0
    assert int(row["page_engaged_p75_ms"]) > 0
    assert 0 < float(row["page_depth_median_frac"]) <= 1


async def test_the_page_and_its_reach_come_as_sheets_of_their_own(lived_in_house: House) -> None:
    """`part=page` is one row, `part=reach` one for each percent from 0 to 100 with both curves."""
    (page,) = await _load_sheet(lived_in_house, "part=page")
    reach = await _load_sheet(lived_in_house, "part=reach")
    nothing = await _load_sheet(lived_in_house, "part=reach&from=2026-01-01&to=2026-01-02")
    assert (page["page_views"], page["page_bounces"], page["device"]) == ("1", "0", "all")
    assert [row["depth_percent"] for row in reach] == [str(percent) for percent in range(101)]
    assert (reach[0]["n"], reach[0]["share"], reach[0]["share_scrolling"]) == ("1", "1.0", "1.0")
    assert (nothing[100]["n"], nothing[100]["share"]) == ("0", "")


async def test_the_api_writes_devices_as_it_reads_them(lived_in_house: House) -> None:
    """`device=phone` in the question is "phone" in every answer, never a number."""
    base, names = f"{lived_in_house.url}/api/v1/sites/1", {"all", "desktop", "tablet", "phone"}
    for query in ("engagement.json", "engagement.json?device=desktop", "heatmap.json?device=phone"):
        joint = "&" if "?" in query else "?"
        async with lived_in_house.http.get(f"{base}/{query}{joint}page=/product/teapot") as answer:
            report = await answer.json()
        devices = [report["device"], *(item["device"] for item in report.get("devices", []))]
        assert report["device"] == query.partition("device=")[2] or report["device"] == "all"
        assert {*devices, report.get("layout_device", "all")} <= names


async def _load_sheet(house: House, query: str) -> list[dict[str, str]]:
    url = f"{house.url}/api/v1/sites/1/engagement.csv?page=/product/teapot&{query}"
    async with house.http.get(url) as answer:
        return list(csv.DictReader((await answer.text()).splitlines()))


async def test_status_turns_when_the_first_event_is_stored(house: House) -> None:
    """What the install page asks until it turns green."""
    await house.sign_in()
    site = await house.add_site()
    url = f"{house.url}/api/v1/sites/{site.site_id}/status"
    async with house.http.get(url) as answer:
        assert await answer.json() == {"is_receiving": False, "first_event_at": None}
    await house.send_view(site)
    async with house.http.get(url) as answer:
        assert (await answer.json())["is_receiving"] is True


async def test_what_visitors_send_is_written_as_text(house: House) -> None:
    """A path, a title and a label that look like markup stay text on every page."""
    await house.sign_in()
    site = await house.add_site(f"Site {HOSTILE}")
    path = f"/{quote(HOSTILE)}"
    await house.send_view(site, path=path, label=HOSTILE)
    for page in ["/", *(f"/sites/{site.site_id}{page}" for page in PAGES)]:
        async with house.http.get(house.url + page) as answer:
            text = await answer.text()
            assert answer.status == 200, text
        assert HOSTILE not in text
        assert not re.search(r"<script(?! (src=\"/static/theme.js\"|type=\"module\" src=\"/static/main.js\"))", text)
        assert " style=" not in text


async def test_a_new_site_leads_to_its_snippet(house: House) -> None:
    """The form stores the site and shows the one line to paste."""
    await house.sign_in()
    form = {"name": "Docs", "origins": "docs.example https://Docs.example:443", "time_zone": "Europe/Helsinki"}
    async with house.http.post(f"{house.url}/sites/new", data=form, headers={"Origin": house.url}) as answer:
        text = await answer.text()
        assert re.fullmatch(r"/sites/\d+/install", answer.url.path)
    key = await house.pool.fetchval("select key from sites where origins = array['https://docs.example']")
    assert f"/s/{key}.js&#34;&gt;&lt;/script&gt;" in text


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("name", "", "Give the site a name"),
        ("origins", "ftp://x.example", "is not an address of a website"),
        ("origins", "", "Write one to 20 addresses"),
        ("origins", "http://exa mple", "'mple' is not an address of a website"),
        ("origins", "https://*.example.org", "without wildcards"),
        ("name", "n" * 81, "at most 80 characters"),
        ("time_zone", "Mars/Olympus", "Choose a time zone"),
    ],
)
async def test_a_wrong_form_comes_back_with_what_was_typed(
    lived_in_house: House, field: str, value: str, said: str
) -> None:
    """The refusal stands at its field, and nothing has to be typed again."""
    house = lived_in_house
    form = {"name": "Docs", "origins": "https://docs.example", "time_zone": "UTC"} | {field: value}
    async with house.http.post(f"{house.url}/sites/new", data=form, headers={"Origin": house.url}) as answer:
        text = await answer.text()
    assert answer.status == 400
    assert said in text.replace("&#39;", "'")
    assert 'value="Docs"' in text or field == "name"


async def test_what_nobody_expected_is_logged_under_the_id_that_is_shown(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """A broken table is an error page with an incident, not an empty 500."""
    await house.sign_in()
    await house.pool.execute("alter table sites rename to places")
    async with house.http.get(house.url + "/") as answer:
        text = await answer.text()
    incident = re.search(r"incident ([0-9a-f]{8})", text)
    assert answer.status == 500
    assert incident
    assert incident[1] in caplog.text


async def test_a_site_without_views_says_what_to_do_next(house: House) -> None:
    """Empty pages lead on: to the snippet, or to a longer range."""
    await house.sign_in()
    async with house.http.get(house.url + "/") as answer:
        assert "Add your first site" in await answer.text()
    site = await house.add_site()
    async with house.http.get(f"{house.url}/sites/{site.site_id}") as answer:
        assert "Install the snippet" in await answer.text()
    async with house.http.get(f"{house.url}/sites/{site.site_id}/heatmap") as answer:
        assert "No views in this range" in await answer.text()
    await house.send_view(site)
    async with house.http.get(
        f"{house.url}/sites/{site.site_id}/engagement?page=/product/teapot&from=2026-01-01&to=2026-01-02"
    ) as answer:
        assert answer.status == 200
        assert "No views of this page in this range" in await answer.text()
