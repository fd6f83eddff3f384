"""docker-compose.yml without Docker: what it names exists, and its services run with the environment it gives them."""

import asyncio
import re
import sys
from pathlib import Path

import pytest
import yaml
from processes import ROOT, Running, run, started, until_ready

from collector.settings import describe

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
OURS = ["collector", "dashboard", "migrate", "worker"]
LONGEST_STOP_S = 5


def test_every_variable_is_a_setting() -> None:
    """A misspelt one would keep the services from starting."""
    known = {name for name, _, _ in describe()}
    named = {name for one in OURS for name in SERVICES[one]["environment"]}

    assert named <= known


def test_what_is_named_is_there() -> None:
    """Volumes, configurations and the services that others wait for are declared."""
    for service in SERVICES.values():
        assert {mount.partition(":")[0] for mount in service.get("volumes", [])} <= set(COMPOSE["volumes"])
        assert {one["source"] for one in service.get("configs", [])} <= set(COMPOSE["configs"])
        for other, wait in service.get("depends_on", {}).items():
            assert wait["condition"] != "service_healthy" or "healthcheck" in SERVICES[other]


def test_services_come_back_and_are_given_the_time_to_stop() -> None:
    """Everything but the migration is restarted, and no stop is cut short."""
    graces = {name: float(SERVICES[name]["stop_grace_period"].removesuffix("s")) for name in OURS}

    assert {
        name: service["restart"] for name, service in SERVICES.items() if service["restart"] != "unless-stopped"
    } == {"migrate": "no"}
    assert min(graces.values()) > LONGEST_STOP_S


def test_the_spool_outlives_its_container() -> None:
    """Its folder is a volume, and belongs to the user who writes it."""
    folder = SERVICES["collector"]["environment"]["JALKI_SPOOL_DIR"]

    assert f"spool:{folder}" in SERVICES["collector"]["volumes"]
    assert f"install -d -o jalki -g jalki -m 700 {folder}" in SERVICES["collector"]["build"]["dockerfile_inline"]


@pytest.mark.parametrize(("name", "waits_for"), [("collector", "/readyz"), ("dashboard", "/sign-in")])
async def test_a_service_runs_and_is_found_healthy(
    postgres_url: str, tmp_path: Path, name: str, waits_for: str
) -> None:
    """With the compose file's command and environment it starts, its healthcheck passes, and fails once it is gone."""
    service = SERVICES[name]
    environ = _environ(service) | {"JALKI_DATABASE_URL": postgres_url, "JALKI_SPOOL_DIR": str(tmp_path)}
    environ |= {"JALKI_HOST": "127.0.0.1", "JALKI_PORT": "0", "JALKI_PUBLIC_URL": ""}
    async with started(*service["command"], environ=environ) as running:
        await until_ready(running)
        healthy = await _check(service, running)
        code = await running.stop()
        gone = await _check(service, running)

    assert waits_for in service["healthcheck"]["test"][-1]
    assert (healthy, code) == (0, 0)
    assert gone != 0


async def test_the_migration_runs(empty_postgres_url: str) -> None:
    """The one service that ends does its work and says so."""
    service = SERVICES["migrate"]
    code, out, _ = await run(
        *service["command"], environ=_environ(service) | {"JALKI_DATABASE_URL": empty_postgres_url}
    )

    assert code == 0
    assert out.startswith("applied 0001_")


def _environ(service: dict) -> dict[str, str]:
    """Return the service's environment as Compose fills it in where nobody sets a variable."""
    return {name: re.sub(r"\$\{\w+:-(.*?)\}", r"\1", str(text)) for name, text in service["environment"].items()}


async def _check(service: dict, running: Running) -> int:
    """Run the service's healthcheck against a running one and return its exit code."""
    kind, program, *words = service["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "python")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *(word.replace(":8100/", f":{running.port}/") for word in words)),
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await process.wait()
