"""docker-compose.yml without Docker: what it names exists, and its services run with the environment it gives them."""

import asyncio
import re
import sys
from pathlib import Path

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


def test_each_service_of_ours_is_one_command() -> None:
    """None is missing."""
    commands = {name: service["command"] for name, service in SERVICES.items() if service["image"] == "jalki"}

    assert commands == {name: [name] for name in OURS}


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


async def test_the_services_run_and_are_found_healthy(empty_postgres_url: str, tmp_path: Path) -> None:
    """With the commands and environments of the file they start in order, pass their healthchecks, and stop with 0."""
    own = {"JALKI_DATABASE_URL": empty_postgres_url, "JALKI_SPOOL_DIR": str(tmp_path)}
    own |= {"JALKI_HOST": "127.0.0.1", "JALKI_PORT": "0", "JALKI_PUBLIC_URL": ""}
    code, out, _ = await run(*SERVICES["migrate"]["command"], environ=_environ("migrate") | own)
    assert (code, out.partition("_")[0]) == (0, "applied 0001")

    ends = await asyncio.gather(*(_run(name, own) for name in ("collector", "dashboard", "worker")))

    assert ends == [(0, 0), (0, 0), (None, 0)]


async def _run(name: str, own: dict[str, str]) -> tuple[int | None, int]:
    """Run a service until it is ready; return what its healthcheck ends with, and what it ends with itself."""
    async with started(*SERVICES[name]["command"], environ=_environ(name) | own) as running:
        await until_ready(running)
        health = await _check(SERVICES[name], running) if "healthcheck" in SERVICES[name] else None
        return health, await running.stop()


def _environ(service: str) -> dict[str, str]:
    """Return the service's environment as Compose fills it in where nobody sets a variable."""
    given = SERVICES[service]["environment"]
    return {name: re.sub(r"\$\{\w+:-(.*?)\}", r"\1", str(text)) for name, text in given.items()}


async def _check(service: dict, running: Running) -> int:
    """Run the service's healthcheck against a running one and return its exit code."""
    kind, program, *words = service["healthcheck"]["test"]
    assert (kind, program) == ("CMD", "python")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *(word.replace(":8100/", f":{running.port}/") for word in words)),
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await process.wait()
