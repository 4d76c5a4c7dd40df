"""Builds in CodeBuild: they take time, run for real, and honour the token that they were asked for with.

moto completes a build as soon as it is looked at and ignores `idempotencyToken`. Here a repeated StartBuild with the
same token and the same parameters answers with the same build for five minutes, and starts another one after that;
with other parameters it is refused (API reference, StartBuild). Builds are listed newest first, page by page.

Where a project has no source (`NO_SOURCE`) and a buildspec, the commands of its `build` phase are run by a shell on
this machine, as a process of its own: it finds this emulator at `AWS_ENDPOINT_URL`, the build's variables in its
environment, and its exit code decides how the build ends. It is reaped when somebody asks for the build.
"""

import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import yaml
from moto.codebuild.exceptions import InvalidInputException
from moto.codebuild.models import CodeBuildBackend
from moto.codebuild.responses import CodeBuildResponse
from moto.core.responses import ActionResult

from .clock import show
from .world import World, replace

#: For so long a token gives the build that it gave before.
SAME_TOKEN = timedelta(minutes=5)
#: A process that runs for longer, on this machine's clock, hangs.
PROCESS_SECS_MAX = 120
#: As much of a process's last words as is kept.
OUTPUT_BYTES_MAX = 8 * 1024


@dataclass
class Running:
    """A build that somebody asked for."""

    build: dict
    ends_at: datetime
    process: subprocess.Popen | None = None
    output: Path | None = None


@dataclass
class Shelf:
    """What one region's backend keeps beside moto's own."""

    running: dict[str, Running] = field(default_factory=dict)
    #: By project and token: when, with what, and which build.
    tokens: dict[tuple[str, str], tuple[datetime, dict, dict]] = field(default_factory=dict)


class Builds:
    """Starts builds, and says how far they are."""

    def __init__(self, world: World):
        self.world = world
        # A child is killed when the thread that made it ends, so one thread makes all and ends with the server.
        self._starter = ThreadPoolExecutor(max_workers=1)

    def install(self) -> None:
        moto_start = CodeBuildResponse.start_build

        def start_build(door: CodeBuildResponse) -> ActionResult:
            backend, name = door.codebuild_backend, door._get_param("projectName")
            token = door._get_param("idempotencyToken")
            known = shelf(backend).tokens.get((name, token)) if token else None
            asked = json.loads(door.body)
            wanted = {key: value for key, value in asked.items() if key != "idempotencyToken"}
            if known and self.world.now() < known[0] + SAME_TOKEN:
                if known[1] != wanted:
                    raise InvalidInputException("Parameter mismatch for this idempotency token")
                return ActionResult({"build": known[2]})
            build = moto_start(door).result["build"]
            self._start(backend, name, build, door._get_param("environmentVariablesOverride") or [])
            if token:
                shelf(backend).tokens[(name, token)] = (self.world.now(), wanted, build)
            return ActionResult({"build": build})

        def list_builds_for_project(door: CodeBuildResponse) -> ActionResult:
            backend, name = door.codebuild_backend, door._get_param("projectName")
            if name not in backend.codebuild_projects:
                return moto_list(door)
            ids = list(backend.list_builds_for_project(name))
            if door._get_param("sortOrder") != "ASCENDING":
                ids.reverse()
            start, most = int(door._get_param("nextToken") or 0), min(100, self.world.settings.page_max)
            page = {"ids": ids[start : start + most]}
            if len(ids) > start + most:
                page["nextToken"] = str(start + most)
            return ActionResult(page)

        def batch_get_builds(backend: CodeBuildBackend, ids: list[str]) -> list[dict]:
            all_running = shelf(backend).running
            found = [all_running[one] for one in ids if one in all_running]
            for one in found:
                self._look(backend, one)
            return [one.build for one in found]

        def stop_build(backend: CodeBuildBackend, build_id: str) -> dict:
            one = shelf(backend).running[build_id]
            self._look(backend, one)
            if one.build["buildStatus"] == "IN_PROGRESS":
                if one.process:
                    one.process.kill()
                self._end(backend, one, "STOPPED", "Build was stopped")
            return one.build

        moto_list = CodeBuildResponse.list_builds_for_project
        CodeBuildResponse.start_build = start_build
        CodeBuildResponse.list_builds_for_project = list_builds_for_project
        replace(CodeBuildBackend, "batch_get_builds", batch_get_builds)
        replace(CodeBuildBackend, "stop_build", stop_build)

    def _start(self, backend: CodeBuildBackend, name: str, build: dict, given: list[dict]) -> None:
        project = backend.codebuild_projects[name].project_metadata
        own = project["environment"].get("environmentVariables", [])
        overridden = {one["name"] for one in given}
        variables = [one for one in own if one["name"] not in overridden] + given
        build["environment"]["environmentVariables"] = variables
        build["buildNumber"] = len(backend.build_history[name])
        build["startTime"] = show(self.world.now())
        build["logs"]["deepLink"] = f"http://127.0.0.1/logs/{build['id']}"
        build["phases"] = [{"phaseType": "SUBMITTED", "phaseStatus": "SUCCEEDED"}]
        ends_at = self.world.now() + timedelta(seconds=self.world.settings.build_secs)
        one = Running(build, ends_at)
        commands = commands_of(project["source"])
        if commands:
            one.output = Path(tempfile.mkstemp(prefix="build-", suffix=".log")[1])
            with one.output.open("wb") as output:
                at = self._starter.submit(
                    subprocess.Popen,
                    # The shell dies with the server, and does not run for ever.
                    ["setpriv", "--pdeathsig", "KILL", "timeout", "--kill-after", "1"]
                    + [str(PROCESS_SECS_MAX), "sh", "-ec", "\n".join(commands)],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env=environment(backend.region_name, build["id"], variables),
                )
                one.process = at.result()
        shelf(backend).running[build["id"]] = one
        self.world.effect("build-started", backend.region_name, build["id"])
        self._look(backend, one)

    def _look(self, backend: CodeBuildBackend, one: Running) -> None:
        """Says how far a build is: its process has ended, and its time is over."""
        if one.build["buildStatus"] != "IN_PROGRESS":
            return
        code = one.process.poll() if one.process else 0
        one.build["currentPhase"] = "BUILD"
        if code is None or self.world.now() < one.ends_at:
            return
        if code == 0:
            self._end(backend, one, "SUCCEEDED", "")
        else:
            self._end(backend, one, "FAILED", f"exit status {code}: {last_words(one)}")

    def _end(self, backend: CodeBuildBackend, one: Running, status: str, words: str) -> None:
        build, now = one.build, show(self.world.now())
        phase = {"phaseType": "BUILD", "phaseStatus": status, "endTime": now}
        phase["contexts"] = [{"statusCode": "COMMAND_EXECUTION_ERROR", "message": words}] if words else []
        build["phases"].append(phase)
        build.update(
            buildStatus=status, currentPhase="COMPLETED", endTime=now, buildComplete=True
        )
        if one.output:
            one.output.unlink(missing_ok=True)
        self.world.effect(f"build-{status.lower()}", backend.region_name, build["id"])


def shelf(backend: CodeBuildBackend) -> Shelf:
    """What is kept beside moto's own; gone with it when the world starts over."""
    return backend.__dict__.setdefault("_shelf", Shelf())


def commands_of(source: dict) -> list[str]:
    """What a project without a source does, from its buildspec."""
    if source.get("type") != "NO_SOURCE" or not source.get("buildspec"):
        return []
    phases = yaml.safe_load(source["buildspec"]).get("phases", {})
    return [str(one) for one in phases.get("build", {}).get("commands", [])]


def environment(region: str, build: str, variables: list[dict]) -> dict[str, str]:
    """The environment of a process: nothing of the server's own but where programs are."""
    # Not resolved: a link in a virtual environment is what finds the packages beside it.
    programs = str(Path(sys.executable).parent)
    return {
        "PATH": f"{programs}:{os.environ.get('PATH', '/usr/bin:/bin')}",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{os.environ.get('MOTO_PORT', '0')}",
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_ACCESS_KEY_ID": "build",
        "AWS_SECRET_ACCESS_KEY": "none",
        "CODEBUILD_BUILD_ID": build,
        **{one["name"]: one["value"] for one in variables},
    }


def last_words(one: Running) -> str:
    """The end of what a process said."""
    if not one.output:
        return "nothing"
    with one.output.open("rb") as output:
        output.seek(max(0, one.output.stat().st_size - OUTPUT_BYTES_MAX))
        return output.read().decode(errors="replace").strip()
