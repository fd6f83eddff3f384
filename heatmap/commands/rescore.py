"""`jalki rescore`: judges anew which of the views that are stored are bots'."""

from datetime import timedelta

import click
import msgspec

from collector import sites
from collector.db import Conn, connection
from collector.ids import SiteId
from collector.settings import Settings
from collector.thresholds import delete_threshold, load_threshold, write_threshold
from heatmap.commands.place import open_place, settings_options
from heatmap.commands.running import run
from heatmap.commands.terminal import build_table, command, json_option, print_answer
from heatmap.rollup import Rule, rebuild
from heatmap.worker import LATE_MARGIN

_OWN_SCORE = click.IntRange(0, 101)


class Rescored(msgspec.Struct, frozen=True):
    """What became of a site; `score` is the one from which its views are bots' now."""

    site_id: int
    score: int
    reports: int
    rescored: int
    """Reports whose stored score was another before."""


class RescoreAnswer(msgspec.Struct, frozen=True):
    """All sites that were judged anew."""

    sites: list[Rescored]


@command("rescore", example="jalki rescore --site 1 --score 60")
@click.option("--site", "site_id", type=int, help="Number of the site (jalki site list); else all.")
@click.option(
    "--score",
    type=_OWN_SCORE,
    help="Score from which its views are bots' from now on; 101: none are; 0: JALKI_BOT_SCORE decides again.",
)
@settings_options()
@json_option
def rescore(settings: Settings, site_id: int | None, score: int | None, *, as_json: bool) -> None:
    """Score all stored views again from the signs kept with them, and count their sites' figures anew.

    Needed after a change of the threshold, and after an update that weighs signs differently. May run beside a working
    service, whose figures stand still meanwhile; if it is interrupted, run it again.
    """
    answer = RescoreAnswer(run(_rescore(settings, site_id, score)))
    rows = [(str(item.site_id), str(item.score), f"{item.reports:,}", f"{item.rescored:,}") for item in answer.sites]
    print_answer(answer, build_table(("SITE", "BOTS FROM", "REPORTS", "OTHER SCORE"), rows), as_json=as_json)


async def _rescore(settings: Settings, site_id: int | None, score: int | None) -> list[Rescored]:
    rule = Rule(settings.bot_score, timedelta(hours=settings.late_hours) + LATE_MARGIN)
    # Not from a pool, whose statements have a limit of time: one counts all reports of a site.
    async with open_place(settings) as place, connection(place.database_url, application="jalki rescore") as conn:
        chosen = await sites.load_sites(conn) if site_id is None else [await sites.load_site(conn, SiteId(site_id))]
        for site in chosen:
            await _choose_threshold(conn, site.site_id, score)
        return [await _rescore_site(conn, site, rule) for site in chosen]


async def _choose_threshold(conn: Conn, site_id: SiteId, score: int | None) -> None:
    """Committed before anything is counted anew: what is counted meanwhile follows it, and so does the next attempt."""
    if score == 0:
        await delete_threshold(conn, site_id)
    elif score is not None:
        await write_threshold(conn, site_id, score)


async def _rescore_site(conn: Conn, site: sites.Site, rule: Rule) -> Rescored:
    done = [await rebuild(conn, key, rule) for key in site.shard_keys]
    return Rescored(
        site_id=site.site_id,
        score=await load_threshold(conn, site.site_id, rule.threshold),
        reports=sum(part.reports for part in done),
        rescored=sum(part.rescored for part in done),
    )
