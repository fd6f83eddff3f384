"""Signing in leads to where a person was going, and never away from the service."""

import pytest
from dashboard_house import House

from heatmap.dashboard.sign_in import read_local_address


@pytest.mark.parametrize("path", ["/sites/1/heatmap?page=/a&from=2026-11-01", "/sites/new"])
async def test_signing_in_leads_to_where_one_was_going(house: House, path: str) -> None:
    """The address outlives the way to the command line, whose link does not know it, and is then forgotten."""
    async with house.http.get(house.url + path) as answer:
        assert answer.url.path == "/sign-in"
    async with house.http.get(await house.sign_in_url()) as answer:
        text = await answer.text()
    assert f'name="next" value="{path.replace("&", "&amp;")}"' in text
    token = (await house.sign_in_url()).partition("token=")[2]
    async with house.http.post(
        f"{house.url}/sign-in",
        data={"token": token, "next": path},
        headers={"Origin": house.url},
        allow_redirects=False,
    ) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, path)
    async with house.http.get(f"{house.url}/sign-in?token=other") as answer:
        assert 'name="next" value="/"' in await answer.text()


async def test_a_form_that_leads_away_ends_at_the_list_of_sites(house: House) -> None:
    """Also where somebody prepared the link or the form."""
    token = (await house.sign_in_url()).partition("token=")[2]
    async with house.http.get(f"{house.url}/sign-in?token={token}&next=//evil.example") as answer:
        assert "evil" not in await answer.text()
    async with house.http.post(
        f"{house.url}/sign-in",
        data={"token": token, "next": "//evil.example"},
        headers={"Origin": house.url},
        allow_redirects=False,
    ) as answer:
        assert answer.headers["Location"] == "/"


@pytest.mark.parametrize(
    "text",
    [
        *("", "//evil.example", "/\\evil.example", "\\\\evil.example", "https://evil.example", "javascript:alert(1)"),
        *("/\t/evil.example", "/a\r\nSet-Cookie: x=y", " /sites", "sites", "/" + "a" * 2001),
    ],
)
def test_only_an_address_of_this_service_is_local(text: str) -> None:
    """One slash, no host, no backslash, nothing that a browser strips."""
    assert read_local_address(text) == "/"
